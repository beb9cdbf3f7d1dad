// Rotary position embedding on the last `rope_dim` channels of each head (deepseek-v4.md 3.2):
// (a, b) -> (a cos t - b sin t, a sin t + b cos t),  t = float(position) * freq[i] in single
// precision
#pragma once

#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>

namespace hadal {

enum class RopeDirection : std::uint8_t { forward, inverse };

/// Which of the rotated channels form pair i.
enum class RopePairs : std::uint8_t {
  interleaved,  ///< 2i, 2i + 1: V4
  halves,       ///< i, i + rope_dim / 2 ("rotate half"): the world model
};

struct RopeArgs {
  Rows<float> x;        ///< [n, n_heads * head_dim], in place
  std::size_t n_heads;  ///< heads lie side by side in a row
  std::size_t head_dim;
  std::span<const std::int64_t> positions;  ///< [n], absolute
  std::span<const float> freq;  ///< [rope_dim / 2]; rope_dim = 2 * freq.size() <= head_dim
  RopeDirection direction =
      RopeDirection::forward;  ///< inverse: angle negated (output de-rotation, 3.5)
  RopePairs pairs = RopePairs::interleaved;
};

void rope_ref(const RopeArgs& args) noexcept;
void rope_avx2(const RopeArgs& args) noexcept;
void rope_avx512(const RopeArgs& args) noexcept;

}  // namespace hadal
