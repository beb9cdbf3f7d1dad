// Success by depth with confidence intervals, beside the baselines: what `play --episodes` prints.
#pragma once

#include "agent/episode.h"

#include <cstddef>
#include <vector>

namespace hadal {

/// Share of successes with its 95 % Wilson score interval (Wilson 1927).
struct Proportion {
  double share = 0.0;
  double low = 0.0;
  double high = 1.0;
};
Proportion proportion(std::size_t n_successes, std::size_t n);

struct SuccessRow {
  std::size_t domain = 0;
  int depth = 0;
  std::size_t n_episodes = 0;
  std::size_t n_solved = 0;
  std::size_t n_random_solved = 0;  ///< uniformly random valid actions, same budget, same episodes
  std::size_t n_steps = 0;
  std::size_t n_valid_steps = 0;
  std::size_t n_optimal = 0;  ///< solved with a shortest plan
};

/// Keys of the held-out episodes of one depth, in the chosen domains in turn. The same for every
/// model and machine.
std::vector<worlds::WorldKey> episode_keys(std::size_t n, int depth, std::uint64_t seed,
                                           const worlds::DomainChoice& domains);

/// Adds an episode to a row; the random baseline is played on the same world.
void count(SuccessRow& row, const Episode& episode, const worlds::World& world);

}  // namespace hadal
