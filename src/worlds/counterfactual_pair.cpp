#include "worlds/counterfactual_pair.h"

#include "base/random.h"
#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/teacher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <tuple>
#include <utility>

namespace hadal::worlds {
namespace {

/// One event of a text, as the pieces [begin, end).
struct Event {
  std::size_t begin;
  std::size_t end;
  std::vector<int> ids;  ///< its own, then its causes
};

std::vector<int> ids_in(std::string_view header) {
  std::vector<int> ids;
  for (std::size_t at = header.find("<|e"); at != header.npos; at = header.find("<|e", at + 1)) {
    int id = -1;
    std::from_chars(header.data() + at + 3, header.data() + header.size(), id);
    ids.push_back(id);
  }
  return ids;
}

std::vector<Event> events_of(const std::vector<Piece>& pieces) {
  std::vector<Event> events;
  bool is_open = false;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!is_open && !pieces[i].text.starts_with("<|")) continue;
    if (!is_open) events.push_back({i, i, {}});
    is_open = !pieces[i].text.ends_with("<|/ev|>");
    events.back().end = i + 1;
  }
  for (Event& event : events) {
    std::string text;
    for (std::size_t i = event.begin; i < event.end; ++i) text += pieces[i].text;
    event.ids = ids_in(std::string_view(text).substr(0, text.find("<|:|>")));
  }
  return events;
}

/// Per event: reached from x against the cause lists?
std::vector<bool> descendants_of(const std::vector<Event>& events, std::size_t x) {
  std::vector<bool> reached(events.size(), false);
  const auto is_reached = [&](int id) {
    for (std::size_t e = 0; e < events.size(); ++e)
      if (events[e].ids.front() == id) return e == x || reached[e];
    return false;
  };
  for (bool grows = true; grows;) {  // mechanisms may be told before their causes
    grows = false;
    for (std::size_t e = 0; e < events.size(); ++e) {
      const auto& ids = events[e].ids;
      if (e == x || reached[e] || std::none_of(ids.begin() + 1, ids.end(), is_reached)) continue;
      reached[e] = true;
      grows = true;
    }
  }
  return reached;
}

/// What is set from outside: fact `index`, or what step `index` made true first.
struct Intervention {
  bool on_fact;
  std::size_t index;
};

/// What the steps of one telling do.
struct Run {
  State end = 0;
  State changed = 0;  ///< variables that some step has changed

  void add(const Outcome& outcome) {
    for (const Literal l : outcome.became_true) changed |= State{1} << l.variable;
  }
};

/// An episode once told, and told again with interventions.
class PairTeller {
 public:
  PairTeller(const World& world, const WorldOptions& options)
      : world_(world), options_(options), narrator_(world, options) {
    WorldOptions without_mistakes = options;
    without_mistakes.mistake_share = 0.0;
    without_mistakes.change_share = 0.0;
    steps_ = teacher_episode(world, without_mistakes);
    add(narrator_.prompt());
    n_prompt_events_ = events_of(actual_).size();
    for (const TeacherStep& taken : steps_) {
      add(narrator_.act_prefix());
      add(narrator_.act_body(taken.mechanism, taken.is_mistake));
      add(narrator_.observation(taken.outcome));
    }
    add(narrator_.ending());
    events_ = events_of(actual_);
  }

  std::vector<Intervention> interventions() const {
    std::vector<Intervention> all;
    for (std::size_t f = 0; f < world_.facts.size(); ++f) all.push_back({true, f});
    for (std::size_t s = 0; s < steps_.size(); ++s) all.push_back({false, s});
    return all;
  }

  std::optional<CounterfactualPair> tell(Intervention intervention, Run* run = nullptr) const {
    World start = world_;
    if (intervention.on_fact) {
      start.initial = with(start.initial, opposite_of(world_.facts[intervention.index]));
      if (settle(start, start.initial, nullptr) != start.initial) return std::nullopt;
    }
    CounterfactualPair pair{.actual = actual_, .altered = {}, .events = {}};
    pair.x = intervention.on_fact ? event_of_fact(intervention.index)
                                  : observation_of(intervention.index);
    std::vector<std::vector<Piece>> retold(events_.size());
    retold[pair.x] = retell_x(intervention);
    Simulator simulator(start);
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      if (!intervention.on_fact && s == intervention.index) {  // x stands in its place
        if (run != nullptr && holds(literal_of(intervention), simulator.state()))
          return std::nullopt;
        continue;
      }
      const Outcome outcome = simulator.apply(steps_[s].mechanism);
      if (run != nullptr) run->add(outcome);
      if (!outcome.valid) retold[act_of(s)] = without_loss(events_[act_of(s)]);
      if (narrator_.outcome_text(outcome) != narrator_.outcome_text(steps_[s].outcome))
        retold[observation_of(s)] = retell_observation(s, outcome);
    }
    if (run != nullptr) run->end = simulator.state();
    return finish(std::move(pair), retold);
  }

  /// A question whose answer in `actual`, and in `altered`, is this; nothing if there is none.
  std::optional<PairQuestion> ask(Intervention intervention, bool yes_here, bool yes_there,
                                  RandomStream& random) const {
    Run altered;
    const auto pair = tell(intervention, &altered);
    if (!pair) return std::nullopt;
    Run actual{.end = world_.initial};
    for (const TeacherStep& taken : steps_) {
      actual.add(taken.outcome);
      if (taken.outcome.valid) actual.end = step(world_, actual.end, taken.mechanism);
    }
    const State fixed =
        ~(actual.changed | altered.changed | State{1} << literal_of(intervention).variable);
    std::vector<std::pair<Question, Question>> questions;
    for (std::size_t m = 0; m < world_.mechanisms.size(); ++m) {
      if (world_.mechanisms[m].kind != MechanismKind::action) continue;
      for (const Literal needed : world_.mechanisms[m].pre) {
        if ((fixed >> needed.variable & 1u) == 0) continue;
        const Literal set = holds(needed, actual.end) ? opposite_of(needed) : needed;
        const auto index = static_cast<int>(m);
        auto here = effect_of_do_question(world_, actual.end, index, set);
        auto there = effect_of_do_question(world_, altered.end, index, set);
        if (here.yes == yes_here && there.yes == yes_there)
          questions.emplace_back(std::move(here), std::move(there));
      }
    }
    if (questions.empty()) return std::nullopt;
    const auto& [here, there] =
        questions[random.below(static_cast<std::uint32_t>(questions.size()))];
    PairQuestion asked;
    std::tie(asked.actual, asked.actual_answer) = prompt_and_answer(pair->actual, here);
    std::tie(asked.altered, asked.altered_answer) = prompt_and_answer(pair->altered, there);
    return asked;
  }

 private:
  /// What the narrator knows at the end of `actual` is enough for the ask event of both tellings.
  std::pair<std::string, std::string> prompt_and_answer(std::vector<Piece> told,
                                                        const Question& question) const {
    told.pop_back();  // the end token
    const QuestionText text = Narrator(narrator_).question(question);
    return {text_of(told) + text_of(text.ask_pieces) + text_of(text.prefix_pieces), text.answer};
  }

  /// What x says in `actual`.
  Literal literal_of(Intervention intervention) const {
    if (intervention.on_fact) return world_.facts[intervention.index];
    const auto m = static_cast<std::size_t>(steps_[intervention.index].mechanism);
    return world_.mechanisms[m].eff.front();
  }

  static Literal opposite_of(Literal l) { return {l.variable, !l.value}; }

  void add(std::vector<Piece> more) {
    for (Piece& piece : more) actual_.push_back(std::move(piece));
  }

  std::size_t act_of(std::size_t step) const { return n_prompt_events_ + 2 * step; }
  std::size_t observation_of(std::size_t step) const { return act_of(step) + 1; }
  std::size_t event_of_fact(std::size_t fact) const {
    const int id = narrator_.fact_id(static_cast<int>(fact));
    return static_cast<std::size_t>(
        std::find_if(events_.begin(), events_.end(),
                     [&](const Event& event) { return event.ids.front() == id; }) -
        events_.begin());
  }

  std::vector<Piece> retell(std::size_t event, std::string_view opener,
                            const std::vector<int>& causes, std::string_view body) const {
    const float weight = actual_[events_[event].end - 1].weight;
    std::string header;
    for (int id : causes) header += fmt::format("{}<|e{}|>", header.empty() ? "<|by|>" : "", id);
    return {{std::string(opener), opener == "<|obs|>" ? weight : 0.0f},
            {fmt::format("<|e{}|>", events_[event].ids.front()), 0.0f},
            {fmt::format("{}<|:|> {}<|/ev|>", header, body), weight}};
  }

  std::vector<Piece> retell_x(Intervention intervention) const {
    const bool compact = options_.text_form == TextForm::compact;
    const auto say = [&](Literal l) {
      return compact ? compact_literals(world_, {&l, 1}) : sentence(world_, l) + ".";
    };
    const std::string body = say(opposite_of(literal_of(intervention)));
    if (intervention.on_fact)
      return retell(event_of_fact(intervention.index), "<|fact|>", {}, body);
    return retell(observation_of(intervention.index), "<|obs|>", {}, body);
  }

  std::vector<Piece> retell_observation(std::size_t step, const Outcome& outcome) const {
    std::vector<int> causes = {events_[act_of(step)].ids.front()};
    for (int law : outcome.laws_fired) causes.push_back(narrator_.mechanism_id(law));
    return retell(observation_of(step), "<|obs|>", causes, narrator_.outcome_text(outcome));
  }

  std::vector<Piece> without_loss(const Event& event) const {
    std::vector<Piece> pieces(actual_.begin() + static_cast<std::ptrdiff_t>(event.begin),
                              actual_.begin() + static_cast<std::ptrdiff_t>(event.end));
    pieces.back().weight = 0.0f;  // cause list and call
    return pieces;
  }

  std::optional<CounterfactualPair> finish(CounterfactualPair pair,
                                           const std::vector<std::vector<Piece>>& retold) const {
    const auto descendants = descendants_of(events_, pair.x);
    bool changes_something = false;
    std::size_t at = 0;
    const auto copy_until = [&](std::size_t end) {
      for (; at < end; ++at) pair.altered.push_back(actual_[at]);
    };
    for (std::size_t e = 0; e < events_.size(); ++e) {
      const bool is_act = e >= n_prompt_events_ && (e - n_prompt_events_) % 2 == 0;
      const bool flips = !retold[e].empty() && !is_act;
      if (flips && e != pair.x && !descendants[e]) return std::nullopt;
      changes_something = changes_something || (flips && e != pair.x);
      pair.events.push_back({events_[e].ids.front(), descendants[e], flips});
      copy_until(events_[e].begin);
      if (retold[e].empty()) continue;
      pair.altered.insert(pair.altered.end(), retold[e].begin(), retold[e].end());
      at = events_[e].end;
    }
    copy_until(actual_.size());
    if (!changes_something) return std::nullopt;
    return pair;
  }

  const World& world_;
  const WorldOptions& options_;
  Narrator narrator_;
  std::vector<TeacherStep> steps_;
  std::vector<Piece> actual_;
  std::vector<Event> events_;
  std::size_t n_prompt_events_ = 0;
};

}  // namespace

namespace {

/// Tries the interventions of `teller` in random order until one gives something.
template <typename Try>
auto first_of(const PairTeller& teller, const WorldKey& key, Try&& attempt)
    -> decltype(attempt(Intervention{}, std::declval<RandomStream&>())) {
  RandomStream random(splitmix64_at(splitmix64_at(fnv1a64("pair"), key.seed),
                                    key.index * 16 + static_cast<std::uint64_t>(key.depth)));
  auto interventions = teller.interventions();
  while (!interventions.empty()) {
    const auto i = random.below(static_cast<std::uint32_t>(interventions.size()));
    if (auto found = attempt(interventions[i], random)) return found;
    interventions.erase(interventions.begin() + i);
  }
  return std::nullopt;
}

}  // namespace

std::optional<CounterfactualPair> counterfactual_pair(const WorldKey& key,
                                                      const WorldOptions& options) {
  const World world = generate_world(key, options);
  const PairTeller teller(world, options);
  return first_of(teller, key, [&](Intervention x, RandomStream&) { return teller.tell(x); });
}

std::optional<PairQuestion> counterfactual_pair_question(const WorldKey& key,
                                                         const WorldOptions& options) {
  const World world = generate_world(key, options);
  const PairTeller teller(world, options);
  // What an action needs comes about by the absence of x hardly ever: a changed answer is yes in
  // `actual`.
  RandomStream choice(splitmix64_at(splitmix64_at(fnv1a64("pair question"), key.seed), key.index));
  const bool changes = choice.below(2) == 1;
  const bool yes = changes || choice.below(2) == 1;
  return first_of(teller, key, [&](Intervention x, RandomStream& random) {
    return teller.ask(x, yes, yes != changes, random);
  });
}

}  // namespace hadal::worlds
