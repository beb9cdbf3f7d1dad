#include "worlds/change.h"

#include "worlds/plan.h"

namespace hadal::worlds {

std::vector<Literal> fitting_changes(const World& world, const Simulator& simulator) {
  const auto best = optimal_actions(world, simulator.state());
  std::vector<Literal> changes;
  for (std::size_t v = 0; v < world.variables.size(); ++v) {
    const auto variable = static_cast<std::uint8_t>(v);
    const Literal change{variable, !holds({variable, true}, simulator.state())};
    Simulator changed = simulator;
    changed.intervene(change);
    if (!holds(change, changed.state()) || changed.goal_reached()) continue;
    const auto new_best = optimal_actions(world, changed.state());
    if (!new_best.empty() && new_best != best) changes.push_back(change);
  }
  return changes;
}

}  // namespace hadal::worlds
