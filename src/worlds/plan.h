// Shortest plans by breadth-first search over states.
#pragma once

#include "worlds/world.h"

#include <optional>
#include <span>
#include <vector>

namespace hadal::worlds {

/// The indices of the mechanisms of one shortest plan from `state` (empty if the goal holds there),
/// or nothing if there is none of at most `max_length` actions. Cost: O(reachable states x
/// mechanisms). Deterministic.
std::optional<std::vector<int>> optimal_plan(const World& world, State state,
                                             int max_length = kMaxPlanLength);

/// The same for another goal than the world's.
std::optional<std::vector<int>> optimal_plan_to(const World& world, std::span<const Literal> goal,
                                                State state, int max_length = kMaxPlanLength);

/// All actions with which a shortest plan from `state` can begin; empty if the goal holds or cannot
/// be reached.
std::vector<int> optimal_actions(const World& world, State state);

/// The same for another goal than the world's.
std::vector<int> optimal_actions_to(const World& world, std::span<const Literal> goal, State state);

/// Can some sequence of actions bring about all of `goal`, when nothing that was true once is ever
/// lost? False is then true of the real world as well. Cost: O(mechanisms^2).
bool reachable_without_losses(const World& world, std::span<const Literal> goal, State state);

/// The longest chain of actions in `plan`, started at the initial state, in which each one needs a
/// literal that the one before made true, directly or through laws.
int longest_causal_chain(const World& world, const std::vector<int>& plan);

/// Steps an agent may take in an episode: the shortest plan plus max(2, half of it)
/// (world-model.md 4.1).
constexpr int step_budget(int optimal_length) noexcept {
  return optimal_length + (optimal_length / 2 > 2 ? optimal_length / 2 : 2);
}

}  // namespace hadal::worlds
