#include "agent/success_table.h"

#include <cmath>

namespace hadal {

Proportion proportion(std::size_t n_successes, std::size_t n) {
  if (n == 0) return {};
  constexpr double kZ = 1.959963984540054;  // 97.5 % point of the normal distribution
  const auto size = static_cast<double>(n);
  const double p = static_cast<double>(n_successes) / size;
  const double denominator = 1.0 + kZ * kZ / size;
  const double centre = (p + kZ * kZ / (2.0 * size)) / denominator;
  const double half =
      kZ * std::sqrt(p * (1.0 - p) / size + kZ * kZ / (4.0 * size * size)) / denominator;
  return {p, centre - half, centre + half};
}

std::vector<worlds::WorldKey> episode_keys(std::size_t n, int depth, std::uint64_t seed,
                                           const worlds::DomainChoice& domains) {
  std::vector<worlds::WorldKey> keys;
  for (std::size_t i = 0; i < n; ++i) {
    keys.push_back({.split = worlds::Split::test,
                    .domain = domains.indices[i % domains.indices.size()],
                    .depth = depth,
                    .seed = seed,
                    .index = i});
  }
  return keys;
}

}  // namespace hadal
