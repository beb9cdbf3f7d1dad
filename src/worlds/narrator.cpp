#include "worlds/narrator.h"

#include "base/check.h"
#include "worlds/phrase.h"
#include "worlds/question_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace hadal::worlds {
namespace {

std::string id_token(int id) {
  return fmt::format("<|e{}|>", id);
}

std::string id_tokens(const std::vector<int>& ids) {
  std::string text;
  for (int id : ids) text += id_token(id);
  return text;
}

std::string cause_list(const std::vector<int>& ids) {
  return ids.empty() ? "" : "<|by|>" + id_tokens(ids);
}

void push_unique(std::vector<int>& ids, int id) {
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

bool needs_effect_of(const Mechanism& later, const Mechanism& earlier) {
  return std::any_of(earlier.eff.begin(), earlier.eff.end(), [&](Literal l) {
    return std::find(later.pre.begin(), later.pre.end(), l) != later.pre.end();
  });
}

}  // namespace

std::vector<std::string> structure_tokens() {
  std::vector<std::string> tokens = {"<|mech|>", "<|fact|>", "<|goal|>", "<|act|>",
                                     "<|obs|>",  "<|ask|>",  "<|ans|>",  "<|by|>",
                                     "<|:|>",    "<|/ev|>",  "<|rel|>"};
  for (int id = 0; id < kEventIds; ++id) tokens.push_back(id_token(id));
  return tokens;
}

void append(std::vector<Piece>& to, std::vector<Piece> more) {
  for (Piece& piece : more) to.push_back(std::move(piece));
}

std::string text_of(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) text += piece.text;
  return text;
}

Narrator::Narrator(const World& world, const WorldOptions& options)
    : world_(&world),
      options_(options),
      random_(splitmix64_at(
          splitmix64_at(fnv1a64("narrator") + static_cast<std::uint64_t>(world.key.split),
                        world.key.seed),
          world.key.index * 16 + static_cast<std::uint64_t>(world.key.depth))) {
  std::iota(ids_.begin(), ids_.end(), 0);
  for (std::size_t i = ids_.size(); i > 1; --i)
    std::swap(ids_[i - 1], ids_[random_.below(static_cast<std::uint32_t>(i))]);
  for (auto& makers : maker_) makers = {-1, -1};
}

void Narrator::shuffle(std::vector<int>& items) {
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[random_.below(static_cast<std::uint32_t>(i))]);
}

int Narrator::next_id() {
  const int id = ids_[static_cast<std::size_t>(n_events_++ % kEventIds)];
  texts_[static_cast<std::size_t>(id)].clear();
  return id;
}

/// Facts are 0..F-1, mechanisms F..F+M-1.
std::vector<int> Narrator::presentation_order() {
  const auto n_facts = static_cast<int>(world_->facts.size());
  std::vector<int> order(world_->facts.size() + world_->mechanisms.size());
  std::iota(order.begin(), order.end(), 0);
  shuffle(order);
  const bool topological = random_.uniform() < options_.topological_share;
  if (topological || options_.facts_first)
    std::stable_partition(order.begin(), order.end(), [&](int item) { return item < n_facts; });
  if (!topological) return order;
  // Again and again the first mechanism that needs nothing of those still waiting.
  std::vector<int> sorted;
  std::vector<int> waiting;
  for (int item : order) (item < n_facts ? sorted : waiting).push_back(item);
  const auto mechanism = [&](int item) -> const Mechanism& {
    return world_->mechanisms[static_cast<std::size_t>(item - n_facts)];
  };
  while (!waiting.empty()) {
    auto next = std::find_if(waiting.begin(), waiting.end(), [&](int item) {
      return std::none_of(waiting.begin(), waiting.end(), [&](int other) {
        return other != item && needs_effect_of(mechanism(item), mechanism(other));
      });
    });
    if (next == waiting.end()) next = waiting.begin();  // a cycle
    sorted.push_back(*next);
    waiting.erase(next);
  }
  return sorted;
}

/// The events that a cause list over these literals must name (world-model.md 3.2a).
std::vector<int> Narrator::causes_of(const std::vector<Literal>& literals) const {
  std::vector<int> causes;
  for (Literal l : literals) {
    for (std::size_t f = 0; f < world_->facts.size(); ++f)
      if (world_->facts[f] == l) push_unique(causes, fact_ids_[f]);
    for (std::size_t m = 0; m < world_->mechanisms.size(); ++m) {
      const auto& effects = world_->mechanisms[m].eff;
      if (std::find(effects.begin(), effects.end(), l) != effects.end())
        push_unique(causes, mechanism_ids_[m]);
    }
  }
  return causes;
}

std::vector<Piece> Narrator::world_events() {
  HADAL_CHECK(n_events_ == 0, "the world is told once");
  HADAL_CHECK(world_->facts.size() + world_->mechanisms.size() + 3 <= kEventIds,
              "more events than ids");
  const std::size_t n_facts = world_->facts.size();
  fact_ids_.resize(n_facts);
  mechanism_ids_.resize(world_->mechanisms.size());
  const std::vector<int> order = presentation_order();
  for (int item : order) {  // before any text: causes may be told later than their effects
    const auto i = static_cast<std::size_t>(item);
    (i < n_facts ? fact_ids_[i] : mechanism_ids_[i - n_facts]) = next_id();
  }
  const float weight = options_.weights.text;
  std::vector<Piece> pieces;
  const auto event = [&](std::string header, int id, std::string body) {
    pieces.push_back({std::move(header) + "<|:|>", 0.0f});
    pieces.push_back({" " + body + "<|/ev|>", weight});
    texts_[static_cast<std::size_t>(id)] = std::move(body);
  };
  for (int item : order) {
    const auto i = static_cast<std::size_t>(item);
    if (i < n_facts) {
      const Literal fact = world_->facts[i];
      maker_[fact.variable][fact.value ? 1 : 0] = fact_ids_[i];
      event("<|fact|>" + id_token(fact_ids_[i]), fact_ids_[i],
            is_compact() ? compact_literals(*world_, {&fact, 1}) : sentence(*world_, fact) + ".");
      continue;
    }
    const std::size_t m = i - n_facts;
    const Mechanism& mechanism = world_->mechanisms[m];
    std::vector<int> causes = causes_of(mechanism.pre);
    shuffle(causes);
    const char* mark = options_.ancestor_marks && mechanism.relevant ? "<|rel|>" : "";
    event(
        "<|mech|>" + id_token(mechanism_ids_[m]) + cause_list(causes) + mark, mechanism_ids_[m],
        is_compact() ? compact_mechanism(*world_, mechanism) : mechanism_text(*world_, mechanism));
  }
  return pieces;
}

std::vector<Piece> Narrator::goal_event() {
  return goal_event(world_->goal);
}

std::vector<Piece> Narrator::goal_event(const std::vector<Literal>& goal) {
  HADAL_CHECK(mechanism_ids_.size() == world_->mechanisms.size(),
              "the goal is told after the world");
  const int id = next_id();
  goal_ = id;
  std::vector<int> causes = causes_of(goal);
  shuffle(causes);
  const std::string body =
      is_compact() ? compact_literals(*world_, goal) : goal_text(*world_, goal);
  texts_[static_cast<std::size_t>(id)] = body;
  return {{"<|goal|>" + id_token(id) + cause_list(causes) + "<|:|>", 0.0f},
          {" " + body + "<|/ev|>", options_.weights.observation}};
}

std::vector<Piece> Narrator::prompt() {
  std::vector<Piece> pieces = {
      {std::string(kBosToken), 0.0f},
      {is_compact() ? " " + std::string(world_->domain->name) : system_line(*world_),
       options_.weights.text}};
  append(pieces, world_events());
  append(pieces, goal_event());
  return pieces;
}

std::vector<int> Narrator::ids_of(const std::vector<int>& mechanisms) const {
  std::vector<int> ids;
  for (const int m : mechanisms) ids.push_back(mechanism_ids_[static_cast<std::size_t>(m)]);
  return ids;
}

std::vector<Piece> Narrator::act_prefix() {
  act_ = next_id();
  act_ids_.push_back(act_);
  return {{"<|act|>", options_.weights.observation},
          {id_token(act_), options_.weights.act_id},
          {"<|by|>", options_.weights.observation}};
}

void Narrator::act_opened(std::optional<int> id) {
  const auto next = ids_.begin() + n_events_ % kEventIds;
  if (id) {
    const auto chosen = std::find(next, ids_.end(), *id);
    if (chosen != ids_.end()) std::iter_swap(next, chosen);
  }
  act_ = next_id();
  act_ids_.push_back(act_);
}

std::vector<int> Narrator::act_causes(int mechanism) const {
  std::vector<int> causes = {mechanism_ids_[static_cast<std::size_t>(mechanism)]};
  for (Literal l : world_->mechanisms[static_cast<std::size_t>(mechanism)].pre) {
    const int maker = maker_[l.variable][l.value ? 1 : 0];
    if (maker >= 0) push_unique(causes, maker);
  }
  return causes;
}

std::string Narrator::act_header(int mechanism) const {
  return id_tokens(act_causes(mechanism)) + "<|:|>";
}

std::vector<Piece> Narrator::act_body(int mechanism, bool is_mistake) {
  const Mechanism& action = world_->mechanisms[static_cast<std::size_t>(mechanism)];
  std::string call;
  if (!is_compact())
    call = call_text(*world_, action);
  else if (options_.act_words)
    call = " " + compact_call(*world_, action);
  return {{act_header(mechanism) + call + "<|/ev|>", is_mistake ? 0.0f : options_.weights.act}};
}

std::vector<Piece> Narrator::observation(const Outcome& outcome) {
  HADAL_CHECK(act_ >= 0, "an observation follows an act");
  act_mechanisms_.resize(act_ids_.size(), -1);
  act_mechanisms_.back() = outcome.mechanism;
  return observed({act_}, outcome);
}

std::vector<Piece> Narrator::intervention(const Outcome& outcome) {
  return observed({}, outcome);
}

std::vector<Piece> Narrator::observed(std::vector<int> causes, const Outcome& outcome) {
  const int id = next_id();
  for (int law : outcome.laws_fired)
    causes.push_back(mechanism_ids_[static_cast<std::size_t>(law)]);
  for (Literal l : outcome.became_true)
    maker_[l.variable] = l.value ? std::array{-1, id} : std::array{id, -1};
  const std::string body = outcome_text(outcome);
  texts_[static_cast<std::size_t>(id)] = body;
  const float weight = options_.weights.observation;
  return {{"<|obs|>", weight},
          {id_token(id), 0.0f},
          {cause_list(causes) + "<|:|> " + body + "<|/ev|>", weight}};
}

std::string Narrator::outcome_text(const Outcome& outcome) const {
  if (!is_compact()) return outcome.text;
  if (outcome.valid) return compact_literals(*world_, outcome.asserted);
  if (!outcome.unmet) return "nothing";
  const Literal truth{outcome.unmet->variable, !outcome.unmet->value};
  return "nothing: " + compact_literals(*world_, {&truth, 1});
}

std::vector<Piece> Narrator::ending() const {
  return {{std::string(kEosToken), options_.weights.observation}};
}

const std::string& Narrator::event_text(int id) const {
  static const std::string kNone;
  return id >= 0 && id < kEventIds ? texts_[static_cast<std::size_t>(id)] : kNone;
}

int Narrator::mechanism_of(int id) const {
  const auto found = std::find(mechanism_ids_.begin(), mechanism_ids_.end(), id);
  return found == mechanism_ids_.end() ? -1 : static_cast<int>(found - mechanism_ids_.begin());
}

std::string call_text(const World& world, const Mechanism& action) {
  return fmt::format(
      "<｜DSML｜invoke name=\"{}\">\n<｜DSML｜parameter name=\"{}\" "
      "string=\"true\">{}</｜DSML｜parameter>\n</｜DSML｜invoke>",
      tool_name(world, action), world.domain->parameter, item_name(world, action));
}

std::optional<WrittenAct> Narrator::read_act(std::string_view text) const {
  if (!is_compact()) return parse_act(text);
  if (options_.act_words) return parse_compact_act(text, world_->domain->parameter);
  const auto causes = parse_causes(text);
  if (!causes) return std::nullopt;
  WrittenAct act{.causes = *causes, .tool = {}, .arguments = {}};
  const int mechanism = act.causes.empty() ? -1 : mechanism_of(act.causes.front());
  if (mechanism < 0) return std::nullopt;
  const Mechanism& action = world_->mechanisms[static_cast<std::size_t>(mechanism)];
  if (action.kind != MechanismKind::action) return std::nullopt;
  act.tool = tool_name(*world_, action);
  act.arguments = {{std::string(world_->domain->parameter), item_name(*world_, action)}};
  return act;
}

std::vector<int> Narrator::ask_causes(const Question& question) const {
  std::vector<int> causes;
  const auto add = [&](int id) {
    if (id >= 0) push_unique(causes, id);
  };
  if (question.mechanism >= 0) add(mechanism_ids_[static_cast<std::size_t>(question.mechanism)]);
  if (question.step >= 0) add(act_ids_[static_cast<std::size_t>(question.step)]);
  if (!question.goal.empty()) add(goal_);
  if (!question.literal) return causes;
  const Literal l = *question.literal;
  switch (question.type) {
    case QuestionType::effect_of_do:  // what is about to be changed
      add(maker_[l.variable][l.value ? 0 : 1]);
      break;
    case QuestionType::necessary_cause: {
      const auto fact = std::find(world_->facts.begin(), world_->facts.end(), l);
      add(fact_ids_[static_cast<std::size_t>(fact - world_->facts.begin())]);
      break;
    }
    default:  // wanted: as for a goal
      for (int id : causes_of({l})) add(id);
  }
  return causes;
}

std::vector<int> Narrator::answer_causes(const Question& question) const {
  std::vector<int> causes;
  if (question.mechanism >= 0)
    push_unique(causes, mechanism_ids_[static_cast<std::size_t>(question.mechanism)]);
  for (Literal l : question.holding) {
    const int maker = maker_[l.variable][l.value ? 1 : 0];
    if (maker >= 0) push_unique(causes, maker);
  }
  for (int m : question.plan) push_unique(causes, mechanism_ids_[static_cast<std::size_t>(m)]);
  for (int s : question.steps) push_unique(causes, act_ids_[static_cast<std::size_t>(s)]);
  return causes;
}

QuestionText Narrator::question(const Question& question) {
  const float weight = options_.weights.act;
  const int ask = next_id();
  const int answer = next_id();
  std::vector<int> ask_list = ask_causes(question);
  shuffle(ask_list);
  const QuestionWords words =
      question_words(*world_, question, act_mechanisms_, options_.text_form);
  texts_[static_cast<std::size_t>(ask)] = words.ask;
  texts_[static_cast<std::size_t>(answer)] = words.answer;
  QuestionText text;
  text.causes = answer_causes(question);
  text.answer = words.short_answer;
  text.ask_pieces = {{"<|ask|>" + id_token(ask) + cause_list(ask_list) + "<|:|>", 0.0f},
                     {" " + words.ask + "<|/ev|>", options_.weights.text}};
  text.prefix_pieces = {{"<|ans|>", options_.weights.observation},
                        {id_token(answer), options_.weights.act_id}};
  text.answer_pieces = {{cause_list(text.causes) + "<|:|> " + words.answer + "<|/ev|>", weight}};
  return text;
}

}  // namespace hadal::worlds
