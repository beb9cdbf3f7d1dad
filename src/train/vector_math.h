// Small loops that the trainer's kernels share, in a form that compilers turn into vector code.
#pragma once

#include <bit>
#include <cstddef>
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

inline float dot(const float* a, const float* b, std::size_t n) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

inline void axpy(float factor, const float* x, float* y, std::size_t n) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

/// Rotates the pairs (2i, 2i + 1) by the given angles times `sign`.
inline void rotate(const float* cos, const float* sin, std::size_t half, float sign, float* pairs) {
  for (std::size_t i = 0; i < half; ++i) {
    const float a = pairs[2 * i], b = pairs[2 * i + 1], s = sign * sin[i];
    pairs[2 * i] = a * cos[i] - b * s;
    pairs[2 * i + 1] = a * s + b * cos[i];
  }
}

}  // namespace hadal::train
