// Questions about a world and what was done in it, with answers by exact re-simulation
// (world-model.md 3.2).
#pragma once

#include "base/random.h"
#include "worlds/story.h"
#include "worlds/world.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hadal::worlds {

enum class QuestionType : std::uint8_t {
  effect_of_do,     ///< if this variable is set so now, can that action then be done?
  counterfactual,   ///< if that act had not happened, and all others had been tried: the goal?
  necessary_cause,  ///< was this fact of the start needed, for the same acts to reach the goal?
  next_action,  ///< the only action with which a shortest plan (of at least two) to this literal
                ///< begins
  reachable,    ///< can this literal still be brought about?
  missing,      ///< the only precondition of that action which does not hold
};
inline constexpr std::array kQuestionTypes = {
    QuestionType::effect_of_do, QuestionType::counterfactual, QuestionType::necessary_cause,
    QuestionType::next_action,  QuestionType::reachable,      QuestionType::missing};
/// "effect_of_do"
std::string_view name_of(QuestionType type);

/// All that has happened: every act, also those that failed, from the world's initial state on.
struct History {
  std::vector<int> actions;   ///< mechanisms
  std::vector<Literal> goal;  ///< the current, that is the latest one
};
History history_of(const Story& story);

struct Question {
  QuestionType type;
  // What is asked.
  int mechanism = -1;                   ///< effect_of_do, missing
  int step = -1;                        ///< counterfactual: index into History::actions
  std::optional<Literal> literal = {};  ///< effect_of_do: set; necessary_cause: the fact;
                                        ///< next_action and reachable: wanted
  std::vector<Literal> goal = {};       ///< counterfactual, necessary_cause
  // The answer: the one of these that the type has.
  bool yes = false;
  int action = -1;                      ///< next_action
  std::optional<Literal> missing = {};  ///< missing
  // The path: one of these, possibly empty.
  std::vector<int> plan = {};   ///< next_action, reachable: mechanisms, in order
  std::vector<int> steps = {};  ///< counterfactual, necessary_cause: indices into History::actions
  std::vector<Literal> holding =
      {};  ///< effect_of_do: the preconditions; or the opposite of one unmet
};

/// What happens when `actions` are tried in order from `start`: those whose preconditions do not
/// hold change nothing.
struct Replay {
  State end;
  std::vector<bool> valid;                 ///< per action
  std::vector<std::vector<int>> supports;  ///< per action: earlier ones that made what it needed
  std::array<int, kMaxVariables> maker;    ///< the latest action that changed the variable, or -1
};
/// @param without  index of an action that is left out, or -1
Replay replay(const World& world, State start, std::span<const int> actions, int without = -1);

/// The question whether action `mechanism` can be done in `now` once the literal is set and the
/// laws have followed. The literal does not hold in `now`.
Question effect_of_do_question(const World& world, State now, int mechanism, Literal set);

/// Draws one question of this type, yes and no about equally often where both are to be had, or
/// nothing if the history allows none.
std::optional<Question> draw_question(const World& world, const History& history, QuestionType type,
                                      RandomStream& random);

}  // namespace hadal::worlds
