#include "worlds/question_text.h"

#include "worlds/phrase.h"

#include <fmt/format.h>

namespace hadal::worlds {
namespace {

/// The two text forms side by side.
class QuestionWording {
 public:
  QuestionWording(const World& world, TextForm form)
      : world_(world), compact_(form == TextForm::compact) {}

  std::string call(int m) const {
    return compact_call(world_, world_.mechanisms[static_cast<std::size_t>(m)]);
  }
  std::string literals(std::span<const Literal> ls) const {
    return compact_ ? compact_literals(world_, ls) : sentences(world_, ls);
  }
  std::string mechanisms(std::span<const int> ms) const {
    std::string text;
    for (int m : ms) {
      if (!text.empty()) text += compact_ ? " then " : ", then ";
      text += world_.mechanisms[static_cast<std::size_t>(m)].kind == MechanismKind::action
                  ? call(m)
                  : literals(world_.mechanisms[static_cast<std::size_t>(m)].eff);
    }
    return text;
  }

  std::string ask(const Question& q, std::span<const int> actions) const {
    const auto literal = [&] { return literals({&*q.literal, 1}); };
    switch (q.type) {
      case QuestionType::effect_of_do:
        return fmt::format(fmt::runtime(compact_ ? "do {} can {}" : "if {}: can one {}?"),
                           literal(), call(q.mechanism));
      case QuestionType::counterfactual:
        return fmt::format(
            fmt::runtime(compact_ ? "without {} would {}" : "without {}: would it be that {}?"),
            call(actions[static_cast<std::size_t>(q.step)]), literals(q.goal));
      case QuestionType::necessary_cause:
        return fmt::format(
            fmt::runtime(compact_ ? "was {} needed so {}" : "that {}: was it needed, so that {}?"),
            literal(), literals(q.goal));
      case QuestionType::next_action:
        return fmt::format(
            fmt::runtime(compact_ ? "next so {}" : "what is the next action, so that {}?"),
            literal());
      case QuestionType::reachable:
        return fmt::format(
            fmt::runtime(compact_ ? "reachable {}" : "can it be brought about that {}?"),
            literal());
      case QuestionType::missing:
        return fmt::format(fmt::runtime(compact_ ? "missing {}" : "what is missing for {}?"),
                           call(q.mechanism));
    }
    return {};
  }

  std::string short_answer(const Question& q) const {
    if (q.type == QuestionType::next_action) return call(q.action);
    if (q.type == QuestionType::missing) return literals({&*q.missing, 1});
    return q.yes ? "yes" : "no";
  }

  std::string reason(const Question& q, std::span<const int> actions) const {
    if (!q.holding.empty()) return literals(q.holding);
    std::vector<int> path = q.plan;
    for (int s : q.steps) path.push_back(actions[static_cast<std::size_t>(s)]);
    return path.empty() ? "nothing" : mechanisms(path);
  }

  std::string answer(const Question& q, std::span<const int> actions) const {
    return fmt::format(fmt::runtime(compact_ ? "{} because {}" : "{}, because of {}."),
                       short_answer(q), reason(q, actions));
  }

 private:
  const World& world_;
  bool compact_;
};

}  // namespace

QuestionWords question_words(const World& world, const Question& question,
                             std::span<const int> actions, TextForm form) {
  const QuestionWording wording(world, form);
  return {.ask = wording.ask(question, actions),
          .answer = wording.answer(question, actions),
          .short_answer = wording.short_answer(question)};
}

}  // namespace hadal::worlds
