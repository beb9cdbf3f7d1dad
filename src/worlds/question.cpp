#include "worlds/question.h"

#include "worlds/plan.h"

#include <algorithm>

namespace hadal::worlds {
namespace {

constexpr Literal opposite(Literal l) noexcept {
  return {l.variable, !l.value};
}

bool is_action(const Mechanism& m) {
  return m.kind == MechanismKind::action;
}

void add_supports(const Replay& run, const Mechanism& m, std::vector<int>& supports) {
  for (Literal l : m.pre) {
    const int maker = run.maker[l.variable];
    if (maker >= 0) supports.push_back(maker);
  }
}

/// The actions without which nothing of `goal` would have come about, in order.
std::vector<int> supporting_steps(const Replay& run, std::span<const Literal> goal) {
  std::vector<bool> needed(run.valid.size(), false);
  for (Literal l : goal)
    if (run.maker[l.variable] >= 0) needed[static_cast<std::size_t>(run.maker[l.variable])] = true;
  for (std::size_t i = needed.size(); i-- > 0;)
    if (needed[i])
      for (int earlier : run.supports[i]) needed[static_cast<std::size_t>(earlier)] = true;
  std::vector<int> steps;
  for (std::size_t i = 0; i < needed.size(); ++i)
    if (needed[i]) steps.push_back(static_cast<int>(i));
  return steps;
}

/// The actions that could be done in `actual` and not in `altered`.
std::vector<int> failed_steps(const Replay& actual, const Replay& altered) {
  std::vector<int> steps;
  for (std::size_t i = 0; i < actual.valid.size(); ++i)
    if (actual.valid[i] && !altered.valid[i]) steps.push_back(static_cast<int>(i));
  return steps;
}

/// Draws candidates for one question.
class Examiner {
 public:
  Examiner(const World& world, const History& history, RandomStream& random)
      : world_(world),
        history_(history),
        random_(random),
        actual_(replay(world, world.initial, history.actions)) {}

  std::optional<Question> draw(QuestionType type) {
    switch (type) {
      case QuestionType::effect_of_do:
        return effect_of_do();
      case QuestionType::counterfactual:
        return balanced(counterfactuals());
      case QuestionType::necessary_cause:
        return balanced(necessary_causes());
      case QuestionType::next_action:
        return next_action();
      case QuestionType::reachable:
        return reachable();
      case QuestionType::missing:
        return any(missing());
    }
    return std::nullopt;
  }

 private:
  std::uint32_t below(std::size_t n) { return random_.below(static_cast<std::uint32_t>(n)); }

  std::optional<Question> any(std::vector<Question> questions) {
    if (questions.empty()) return std::nullopt;
    return std::move(questions[below(questions.size())]);
  }

  static void keep_if_any(std::vector<Question>& questions, bool yes) {
    const auto wanted = std::partition(questions.begin(), questions.end(),
                                       [&](const Question& q) { return q.yes == yes; });
    if (wanted != questions.begin()) questions.erase(wanted, questions.end());
  }

  std::optional<Question> balanced(std::vector<Question> questions) {
    keep_if_any(questions, below(2) == 1);
    return any(std::move(questions));
  }

  /// Half of them set a literal that the action needs, or the opposite of one, the others something
  /// else: late in a story few actions lack a single precondition, so the first half alone would
  /// nearly always be answered with no.
  std::optional<Question> effect_of_do() {
    std::vector<Question> needed = effects_of_do(true);
    std::vector<Question> other = effects_of_do(false);
    const bool yes = below(2) == 1;
    keep_if_any(needed, yes);
    keep_if_any(other, yes);
    const bool prefer_needed = below(2) == 1;
    const auto fits = [&](const std::vector<Question>& questions) {
      return !questions.empty() && questions.front().yes == yes;
    };
    if (fits(needed) && (prefer_needed || !fits(other))) return any(std::move(needed));
    return any(fits(other) ? std::move(other) : std::move(needed));
  }

  /// @param needed  about the preconditions of the action, or about all other variables
  std::vector<Question> effects_of_do(bool needed) const {
    std::vector<Question> questions;
    for (std::size_t m = 0; m < world_.mechanisms.size(); ++m) {
      const Mechanism& action = world_.mechanisms[m];
      if (!is_action(action)) continue;
      for (std::size_t v = 0; v < world_.variables.size(); ++v) {
        const bool is_needed = std::any_of(action.pre.begin(), action.pre.end(),
                                           [&](Literal l) { return l.variable == v; });
        if (is_needed != needed) continue;
        const Literal on{static_cast<std::uint8_t>(v), true};
        questions.push_back(effect_of_do_question(world_, actual_.end, static_cast<int>(m),
                                                  holds(on, actual_.end) ? opposite(on) : on));
      }
    }
    return questions;
  }

  std::vector<Question> counterfactuals() const {
    std::vector<Question> questions;
    for (std::size_t i = 0; i < history_.actions.size(); ++i) {
      if (!actual_.valid[i]) continue;
      const auto index = static_cast<int>(i);
      Question q{.type = QuestionType::counterfactual, .step = index, .goal = history_.goal};
      const Replay without = replay(world_, world_.initial, history_.actions, index);
      q.yes = all_hold(q.goal, without.end);
      q.steps = q.yes ? supporting_steps(without, q.goal) : failed_steps(actual_, without);
      questions.push_back(std::move(q));
    }
    return questions;
  }

  std::vector<Question> necessary_causes() const {
    std::vector<Question> questions;
    if (!all_hold(history_.goal, actual_.end)) return questions;
    for (Literal fact : world_.facts) {
      Question q{.type = QuestionType::necessary_cause, .literal = fact, .goal = history_.goal};
      const State start = settle(world_, with(world_.initial, opposite(fact)), nullptr);
      const Replay altered = replay(world_, start, history_.actions);
      q.yes = !all_hold(q.goal, altered.end);
      q.steps = q.yes ? failed_steps(actual_, altered) : supporting_steps(altered, q.goal);
      questions.push_back(std::move(q));
    }
    return questions;
  }

  /// Literals that are false now, in random order.
  std::vector<Literal> false_literals() {
    std::vector<Literal> literals;
    for (std::size_t v = 0; v < world_.variables.size(); ++v) {
      const Literal l{static_cast<std::uint8_t>(v), true};
      literals.push_back(holds(l, actual_.end) ? opposite(l) : l);
    }
    for (std::size_t i = literals.size(); i > 1; --i)
      std::swap(literals[i - 1], literals[below(i)]);
    return literals;
  }

  std::optional<Question> next_action() {
    constexpr int kMaxTries = 6;
    int n_tries = 0;
    for (Literal l : false_literals()) {
      if (!reachable_without_losses(world_, {&l, 1}, actual_.end)) continue;
      if (++n_tries > kMaxTries) break;
      auto plan = optimal_plan_to(world_, {&l, 1}, actual_.end);
      // The words of the question give the last action away ("lit": light): ask for another one.
      if (!plan || plan->size() < 2) continue;
      if (optimal_actions_to(world_, {&l, 1}, actual_.end).size() != 1) continue;
      Question q{.type = QuestionType::next_action, .literal = l};
      q.action = plan->front();
      q.plan = std::move(*plan);
      return q;
    }
    return std::nullopt;
  }

  std::optional<Question> reachable() {
    const bool want_yes = below(2) == 1;
    std::optional<Question> other;
    constexpr int kMaxSearches = 4;
    int n_searches = 0;
    for (Literal l : false_literals()) {
      Question q{.type = QuestionType::reachable, .literal = l};
      if (reachable_without_losses(world_, {&l, 1}, actual_.end)) {
        if ((!want_yes && other) || ++n_searches > kMaxSearches) continue;
        auto plan = optimal_plan_to(world_, {&l, 1}, actual_.end);
        if (!plan) continue;  // beyond the search: not known
        q.yes = true;
        q.plan = std::move(*plan);
      }
      if (q.yes == want_yes) return q;
      if (!other) other = std::move(q);
    }
    return other;
  }

  std::vector<Question> missing() const {
    std::vector<Question> questions;
    for (std::size_t m = 0; m < world_.mechanisms.size(); ++m) {
      if (!is_action(world_.mechanisms[m])) continue;
      Question q{.type = QuestionType::missing, .mechanism = static_cast<int>(m)};
      std::size_t n_unmet = 0;
      for (Literal l : world_.mechanisms[m].pre) {
        if (holds(l, actual_.end)) continue;
        ++n_unmet;
        q.missing = l;
        q.holding = {opposite(l)};
      }
      if (n_unmet == 1) questions.push_back(std::move(q));
    }
    return questions;
  }

  const World& world_;
  const History& history_;
  RandomStream& random_;
  Replay actual_;
};

}  // namespace

std::string_view name_of(QuestionType type) {
  constexpr std::string_view kNames[] = {"effect_of_do", "counterfactual", "necessary_cause",
                                         "next_action",  "reachable",      "missing"};
  return kNames[static_cast<std::size_t>(type)];
}

History history_of(const Story& story) {
  History history;
  for (const Chapter& chapter : story.chapters)
    for (const TeacherStep& taken : chapter.steps) history.actions.push_back(taken.mechanism);
  history.goal = story.chapters.back().goal;
  return history;
}

Replay replay(const World& world, State start, std::span<const int> actions, int without) {
  Replay run{.end = start, .valid = {}, .supports = {}, .maker = {}};
  run.maker.fill(-1);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const Mechanism& action = world.mechanisms[static_cast<std::size_t>(actions[i])];
    run.valid.push_back(static_cast<int>(i) != without && all_hold(action.pre, run.end));
    run.supports.emplace_back();
    if (!run.valid.back()) continue;
    const State before = run.end;
    std::vector<int> fired;
    run.end = step(world, before, actions[i], &fired);
    add_supports(run, action, run.supports.back());
    for (int law : fired)
      add_supports(run, world.mechanisms[static_cast<std::size_t>(law)], run.supports.back());
    for (std::size_t v = 0; v < world.variables.size(); ++v)
      if (((before ^ run.end) >> v & 1u) != 0) run.maker[v] = static_cast<int>(i);
  }
  return run;
}

Question effect_of_do_question(const World& world, State now, int mechanism, Literal set) {
  Question q{.type = QuestionType::effect_of_do, .mechanism = mechanism, .literal = set};
  const auto& pre = world.mechanisms[static_cast<std::size_t>(mechanism)].pre;
  const State state = settle(world, with(now, set), nullptr);
  const auto unmet =
      std::find_if(pre.begin(), pre.end(), [&](Literal l) { return !holds(l, state); });
  q.yes = unmet == pre.end();
  q.holding = q.yes ? pre : std::vector<Literal>{opposite(*unmet)};
  return q;
}

std::optional<Question> draw_question(const World& world, const History& history, QuestionType type,
                                      RandomStream& random) {
  return Examiner(world, history, random).draw(type);
}

}  // namespace hadal::worlds
