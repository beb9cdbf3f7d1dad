// exp and sigmoid as branch-free scalar code that compilers turn into vector code.
#pragma once

#include <bit>
#include <cstdint>

namespace hadal::train {

/// e^x for finite x, relative error below 3e-7; saturates outside of [-87, 88]. Range reduction by
/// ln 2, then the Taylor series to degree 7, whose remainder on |r| <= ln2 / 2 is below 6e-9.
inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
  const float shifted = x * 1.44269504089f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693145751953125f) - n * 1.42860682e-6f;
  float y = 1.0f / 5040.0f;
  y = y * r + 1.0f / 720.0f;
  y = y * r + 1.0f / 120.0f;
  y = y * r + 1.0f / 24.0f;
  y = y * r + 1.0f / 6.0f;
  y = y * r + 0.5f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  const auto bits = static_cast<std::uint32_t>((static_cast<std::int32_t>(n) + 127) << 23);
  return y * std::bit_cast<float>(bits);
}

inline float fast_sigmoid(float x) {
  return 1.0f / (1.0f + fast_exp(-x));
}

}  // namespace hadal::train
