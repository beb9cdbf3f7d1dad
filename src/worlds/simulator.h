// Executes tool calls in a world: what the model's actions meet in `play`, `eval`, `serve` and in
// the training data.
#pragma once

#include "worlds/world.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::worlds {

struct Argument {
  std::string name;
  std::string value;
};

/// What one call did.
struct Outcome {
  bool valid = false;    ///< the action exists here and its preconditions held
  bool changed = false;  ///< the state is another one now
  int mechanism = -1;    ///< the action that was meant, if there is one
  std::string text;      ///< "the red pan is hot." or "nothing happens: the stove is not lit."
  std::vector<int> laws_fired;    ///< in order
  std::optional<Literal> unmet;   ///< the first precondition that did not hold
  std::vector<Literal> asserted;  ///< by the action and the laws, whether or not they held before
  std::vector<Literal>
      became_true;  ///< literals asserted by the action and the laws that did not hold before
};

/// One episode's state. Copyable; the world must outlive it. One thread at a time.
class Simulator {
 public:
  explicit Simulator(const World& world) : world_(&world), state_(world.initial) {}

  /// Applies a call as a model wrote it. Any text is accepted: a call that means no action of this
  /// world changes nothing and says so without repeating the text.
  Outcome apply(std::string_view tool, std::span<const Argument> arguments);
  /// Applies action `mechanism` (an action's index; anything else is a bug).
  Outcome apply(int mechanism);
  /// do(literal): gives a variable this value from outside; laws follow. Outcome::mechanism is -1.
  Outcome intervene(Literal literal);

  State state() const { return state_; }
  bool goal_reached() const { return all_hold(world_->goal, state_); }
  /// The actions whose preconditions hold now, in the order of the world's mechanisms.
  std::vector<int> valid_actions() const;
  const World& world() const { return *world_; }

 private:
  /// Says what `effects`, and the laws that fired, have made of `before`.
  void tell(State before, const std::vector<Literal>& effects, Outcome& outcome) const;

  const World* world_;
  State state_;
};

/// Is an agent that takes uniformly random valid actions successful within step_budget(depth)? The
/// baseline of `play`. Deterministic: the choices are a function of world.key and `draw`.
bool random_policy_succeeds(const World& world, std::uint64_t draw);
/// The same from where `simulator` stands, within `budget` steps.
bool random_policy_succeeds(Simulator simulator, int budget, std::uint64_t draw);

}  // namespace hadal::worlds
