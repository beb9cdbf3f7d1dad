// Which episodes are played, and the interval of a share of successes.
#pragma once

#include "worlds/domain.h"
#include "worlds/world.h"

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

/// Keys of the held-out episodes of one depth, in the chosen domains in turn. The same for every
/// model and machine.
std::vector<worlds::WorldKey> episode_keys(std::size_t n, int depth, std::uint64_t seed,
                                           const worlds::DomainChoice& domains);

}  // namespace hadal
