#include "engine/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

/// The (fractional) pair index whose wave makes `rotations` turns over the original context.
double correction_dim(double rotations, std::size_t rope_dim, double base,
                      double original_context) {
  return static_cast<double>(rope_dim) *
         std::log(original_context / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(base));
}

}  // namespace

std::vector<float> rope_frequencies(std::size_t rope_dim, double base,
                                    const std::optional<YarnScaling>& yarn) {
  const std::size_t n_pairs = rope_dim / 2;
  std::vector<float> freq(n_pairs);
  for (std::size_t i = 0; i < n_pairs; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rope_dim);
    freq[i] = 1.0f / std::pow(static_cast<float>(base), exponent);
  }
  if (!yarn) return freq;

  const auto original = static_cast<double>(yarn->original_max_position_embeddings);
  const double last =
      static_cast<double>(rope_dim) - 1.0;  // not rope_dim / 2 - 1: as the reference caps it
  const double low =
      std::max(std::floor(correction_dim(yarn->beta_fast, rope_dim, base, original)), 0.0);
  double high =
      std::min(std::ceil(correction_dim(yarn->beta_slow, rope_dim, base, original)), last);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < n_pairs; ++i) {
    const auto ramp =
        static_cast<float>(std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0));
    freq[i] = freq[i] * (1.0f - ramp) + freq[i] / static_cast<float>(yarn->factor) * ramp;
  }
  return freq;
}

}  // namespace hadal
