#include "worlds/simulator.h"

#include "base/check.h"
#include "base/random.h"
#include "worlds/phrase.h"
#include "worlds/plan.h"

namespace hadal::worlds {
namespace {

int find_action(const World& world, std::string_view tool, std::span<const Argument> arguments) {
  if (arguments.size() != 1 || arguments.front().name != world.domain->parameter) return -1;
  for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
    const Mechanism& action = world.mechanisms[m];
    if (action.kind == MechanismKind::action && tool_name(world, action) == tool &&
        item_name(world, action) == arguments.front().value)
      return static_cast<int>(m);
  }
  return -1;
}

}  // namespace

Outcome Simulator::apply(std::string_view tool, std::span<const Argument> arguments) {
  const int mechanism = find_action(*world_, tool, arguments);
  if (mechanism >= 0) return apply(mechanism);
  Outcome outcome;
  outcome.text = "nothing happens: there is no such action.";
  return outcome;
}

Outcome Simulator::apply(int mechanism) {
  HADAL_CHECK(mechanism >= 0 && static_cast<std::size_t>(mechanism) < world_->mechanisms.size(),
              "no such mechanism");
  const Mechanism& action = world_->mechanisms[static_cast<std::size_t>(mechanism)];
  HADAL_CHECK(action.kind == MechanismKind::action, "laws fire by themselves");
  Outcome outcome;
  outcome.mechanism = mechanism;
  for (Literal l : action.pre) {
    if (holds(l, state_)) continue;
    outcome.unmet = l;
    outcome.text = "nothing happens: " + negated_sentence(*world_, l) + ".";
    return outcome;
  }
  outcome.valid = true;
  const State before = state_;
  state_ = step(*world_, state_, mechanism, &outcome.laws_fired);
  tell(before, action.eff, outcome);
  return outcome;
}

Outcome Simulator::intervene(Literal literal) {
  Outcome outcome;
  outcome.valid = true;
  const State before = state_;
  state_ = settle(*world_, with(state_, literal), &outcome.laws_fired);
  tell(before, {literal}, outcome);
  return outcome;
}

void Simulator::tell(State before, const std::vector<Literal>& effects, Outcome& outcome) const {
  outcome.changed = state_ != before;
  std::vector<Literal> asserted = effects;
  for (int law : outcome.laws_fired) {
    const auto& more = world_->mechanisms[static_cast<std::size_t>(law)].eff;
    asserted.insert(asserted.end(), more.begin(), more.end());
  }
  outcome.text = effects_text(*world_, asserted);
  for (Literal l : asserted)
    if (!holds(l, before)) outcome.became_true.push_back(l);
  outcome.asserted = std::move(asserted);
}

std::vector<int> Simulator::valid_actions() const {
  std::vector<int> valid;
  for (std::size_t m = 0; m < world_->mechanisms.size(); ++m)
    if (world_->mechanisms[m].kind == MechanismKind::action &&
        all_hold(world_->mechanisms[m].pre, state_))
      valid.push_back(static_cast<int>(m));
  return valid;
}

bool random_policy_succeeds(const World& world, std::uint64_t draw) {
  return random_policy_succeeds(Simulator(world), step_budget(world.key.depth), draw);
}

bool random_policy_succeeds(Simulator simulator, int budget, std::uint64_t draw) {
  const World& world = simulator.world();
  RandomStream random(
      splitmix64_at(splitmix64_at(fnv1a64("random policy"), world.key.seed ^ draw),
                    world.key.index * 16 + static_cast<std::uint64_t>(world.key.depth)));
  for (; budget > 0 && !simulator.goal_reached(); --budget) {
    const auto valid = simulator.valid_actions();
    if (valid.empty()) return false;
    simulator.apply(valid[random.below(static_cast<std::uint32_t>(valid.size()))]);
  }
  return simulator.goal_reached();
}

}  // namespace hadal::worlds
