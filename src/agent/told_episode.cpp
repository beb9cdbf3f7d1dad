#include "agent/told_episode.h"

#include "agent/stop_tokens.h"
#include "base/check.h"
#include "engine/generate.h"
#include "worlds/phrase.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace hadal {
namespace {

class ModelActor : public Actor {
 public:
  ModelActor(Model& model, const Tokenizer& tokenizer, StopTokens stops,
             const ActorOptions& options)
      : model_(model),
        tokenizer_(tokenizer),
        stops_(stops),
        options_(options),
        state_(model.new_sequence()) {}

  Result<Writing> act(const std::string& told) override {
    std::vector<std::int32_t> prompt = next_;
    const auto ids = tokenizer_.encode(told, SpecialTokens::parse);
    prompt.insert(prompt.end(), ids.begin(), ids.end());
    Writing writing{.text = {}, .n_read = prompt.size()};
    GenerationRequest request{.state = &state_,
                              .prompt = std::move(prompt),
                              .history = {},
                              .sampling = {},
                              .max_tokens = options_.max_act_tokens,
                              .stop_tokens = {stops_.closer, stops_.eos},
                              .n_drafts = options_.n_drafts,
                              .attended = &writing.attended,
                              .on_token = {}};
    HADAL_ASSIGN(const auto written, generate(model_, {&request, 1}));
    const std::vector<std::int32_t>& tokens = written.front().tokens;
    writing.text = tokenizer_.decode(tokens);
    writing.n_written = tokens.size();
    next_ = {tokens.back()};  // chosen, but not yet in the state
    if (next_.front() != stops_.closer) next_.push_back(stops_.closer);
    return writing;
  }

  std::unique_ptr<Actor> clone() const override {
    auto copy = std::make_unique<ModelActor>(model_, tokenizer_, stops_, options_);
    copy->state_ = state_.clone();
    copy->next_ = next_;
    return copy;
  }

 private:
  Model& model_;
  const Tokenizer& tokenizer_;
  StopTokens stops_;
  ActorOptions options_;
  SequenceState state_;
  std::vector<std::int32_t> next_;  ///< tokens before what is told next
};

EpisodeStart start_of(const worlds::World& world) {
  const auto start = episode_start(world, EpisodeKind::plain);
  HADAL_CHECK(start.has_value(), "every world has a plain start");
  return *start;
}

/// "step 2", "the start" for people.
std::string name_of_moment(std::size_t after) {
  return after == 0 ? "at the start" : fmt::format("after step {}", after);
}

}  // namespace

Result<std::unique_ptr<Actor>> model_actor(Model& model, const Tokenizer& tokenizer,
                                           const ActorOptions& options) {
  HADAL_ASSIGN(const StopTokens stops, find_stop_tokens(tokenizer));
  return std::unique_ptr<Actor>(std::make_unique<ModelActor>(model, tokenizer, stops, options));
}

ToldEpisode::Moment ToldEpisode::Moment::clone() const {
  return {telling, graph, actor->clone(), untold, steps, changes, n_read, n_written};
}

void ToldEpisode::Moment::take_told() {
  const std::string told = telling.take_told();
  graph.tell(told);
  untold += told;
}

ToldEpisode::ToldEpisode(const worlds::World& world, const worlds::WorldOptions& options,
                         std::unique_ptr<Actor> actor)
    : now_{.telling = {world, start_of(world), EpisodeKind::plain, options},
           .graph = {},
           .actor = std::move(actor),
           .untold = {},
           .steps = {},
           .changes = {}} {
  now_.take_told();
  ends_of_steps_.push_back(now_.clone());
}

Result<void> ToldEpisode::step() {
  HADAL_CHECK(!done(), "an ended episode has no next step");
  Moment next = now_.clone();
  const std::string opening = next.telling.open_act();
  HADAL_ASSIGN(Writing writing, next.actor->act(next.untold + opening));
  next.untold.clear();
  next.graph.tell(opening);
  const std::size_t act = next.graph.size() - 1;
  next.graph.tell(writing.text);
  if (!writing.text.ends_with("<|/ev|>")) next.graph.tell("<|/ev|>");
  next.n_read += writing.n_read;
  next.n_written += writing.n_written;
  ToldStep told{.step = next.telling.absorb(std::move(writing.text)),
                .act = act,
                .observation = 0,
                .attended = std::move(writing.attended)};
  next.graph.set_text(act, told.step.call.empty() ? "(no complete tool call)" : told.step.call);
  next.take_told();
  told.observation = next.graph.size() - 1;
  next.steps.push_back(std::move(told));
  now_ = std::move(next);
  ends_of_steps_.push_back(now_.clone());
  return {};
}

Result<void> ToldEpisode::what_if(worlds::Literal fact, std::size_t after) {
  if (after > steps().size())
    return error(ErrorCode::invalid_argument,
                 "there is no step {}: this episode has {} (0: before the first)", after,
                 steps().size());
  const Moment& then = ends_of_steps_[after];
  if (worlds::holds(fact, then.telling.simulator().state()))
    return error(ErrorCode::invalid_argument, "{} anyway {}: nothing to change",
                 worlds::sentence(world(), fact), name_of_moment(after));
  Moment changed = then.clone();
  ToldChange told{.fact = fact, .after = after, .event = 0, .change = changed.telling.change(fact)};
  changed.take_told();
  told.event = changed.graph.size() - 1;
  changed.changes.push_back(std::move(told));
  now_ = std::move(changed);
  ends_of_steps_.erase(ends_of_steps_.begin() + static_cast<std::ptrdiff_t>(after) + 1,
                       ends_of_steps_.end());
  return {};
}

Result<std::size_t> ToldEpisode::find_event(std::string_view name) const {
  std::size_t number = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end && number >= 1 && number <= steps().size())
    return steps()[number - 1].act;
  std::vector<std::string> names;
  const auto events = graph().events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].name == name) return i;
    names.push_back(events[i].name);
  }
  return error(ErrorCode::invalid_argument,
               "\"{}\" is no step and no event; there are {} steps, and events {}", name,
               steps().size(), fmt::join(names, " "));
}

}  // namespace hadal
