#include "engine/model/synthetic_weights.h"

#include "base/random.h"

#include <cmath>

namespace hadal {
namespace {

/// r in [-1, 1) with 24 bits.
double uniform(std::uint64_t seed, std::uint64_t k) noexcept {
  return 2.0 * (static_cast<double>(static_cast<std::int64_t>(splitmix64_at(seed, k) >> 40)) *
                0x1.0p-24) -
         1.0;
}

template <typename Value>
void fill(std::string_view name, std::uint64_t first, std::span<float> out, Value value) noexcept {
  const std::uint64_t seed = fnv1a64(name);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(value(uniform(seed, first + i)));
}

bool is_gain(std::string_view name) {
  return name.find("norm") != std::string_view::npos || name.ends_with("_scale");
}

bool is_bias(std::string_view name) {
  return name.ends_with("_base") || name.ends_with("ape") || name.ends_with("attn_sink") ||
         name.ends_with("gate.bias");
}

}  // namespace

void fill_synthetic(std::string_view name, std::size_t last_dim, std::uint64_t first,
                    std::span<float> out) noexcept {
  if (is_gain(name)) return fill(name, first, out, [](double r) { return 1.0 + 0.25 * r; });
  if (is_bias(name)) return fill(name, first, out, [](double r) { return 0.7 * r; });
  const double root = std::sqrt(static_cast<double>(last_dim));
  fill(name, first, out, [root](double r) { return r * 2.5 / root; });
}

void fill_synthetic_token_table(std::string_view name, std::size_t n_experts, std::size_t k,
                                std::uint64_t first, std::span<std::int64_t> out) noexcept {
  const std::uint64_t seed = fnv1a64(name);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t start = (splitmix64_at(seed, first + i / k) >> 33) % n_experts;
    out[i] = static_cast<std::int64_t>((start + i % k) % n_experts);
  }
}

}  // namespace hadal
