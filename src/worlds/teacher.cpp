#include "worlds/teacher.h"

#include "base/check.h"
#include "base/random.h"
#include "worlds/change.h"
#include "worlds/plan.h"

#include <algorithm>
#include <utility>

namespace hadal::worlds {
namespace {

/// Actions, executable or not, that do not bring the goal nearer but leave it within reach.
std::vector<int> harmless_mistakes(const World& world, State state, const std::vector<int>& best) {
  std::vector<int> mistakes;
  for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
    const auto index = static_cast<int>(m);
    const Mechanism& action = world.mechanisms[m];
    if (action.kind != MechanismKind::action ||
        std::find(best.begin(), best.end(), index) != best.end())
      continue;
    if (!all_hold(action.pre, state) || optimal_plan(world, step(world, state, index)))
      mistakes.push_back(index);
  }
  return mistakes;
}

/// Changes `simulator`; nothing if no change fits.
std::optional<OutsideChange> draw_change(const World& world, Simulator& simulator,
                                         RandomStream& random) {
  const auto changes = fitting_changes(world, simulator);
  if (changes.empty()) return std::nullopt;
  const Literal literal = changes[random.below(static_cast<std::uint32_t>(changes.size()))];
  return OutsideChange{literal, simulator.intervene(literal)};
}

}  // namespace

std::vector<TeacherStep> teacher_episode(const World& world, const WorldOptions& options,
                                         std::uint64_t episode) {
  RandomStream random(
      splitmix64_at(splitmix64_at(fnv1a64("teacher") + episode, world.key.seed),
                    world.key.index * 16 + static_cast<std::uint64_t>(world.key.depth)));
  std::vector<TeacherStep> steps;
  Simulator simulator(world);
  int n_mistakes = 0;
  std::optional<std::size_t> change_at;  // number of steps before it
  if (options.change_share > 0.0 && random.uniform() < options.change_share)
    change_at = random.below(static_cast<std::uint32_t>(world.key.depth));
  while (!simulator.goal_reached()) {
    std::optional<OutsideChange> change;
    if (change_at == steps.size()) change = draw_change(world, simulator, random);
    const auto best = optimal_actions(world, simulator.state());
    HADAL_CHECK(!best.empty(), "mistakes must leave the goal within reach");
    const auto draw = [&](const std::vector<int>& from) {
      return from[random.below(static_cast<std::uint32_t>(from.size()))];
    };
    bool is_mistake = n_mistakes < options.max_mistakes && random.uniform() < options.mistake_share;
    std::vector<int> mistakes;
    if (is_mistake) mistakes = harmless_mistakes(world, simulator.state(), best);
    is_mistake = is_mistake && !mistakes.empty();
    n_mistakes += is_mistake ? 1 : 0;
    const int mechanism = draw(is_mistake ? mistakes : best);
    steps.push_back({mechanism, is_mistake, simulator.apply(mechanism), best, std::move(change)});
  }
  return steps;
}

}  // namespace hadal::worlds
