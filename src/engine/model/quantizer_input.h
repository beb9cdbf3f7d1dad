// What the block quantisers share: their input made safe, and rounding in a form that compilers
// turn into vector code. Internal to quantize_*.cpp.
#pragma once

#include "base/float_formats.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hadal {

/// Values and weights of one block of N elements.
template <std::size_t N>
struct QuantizerInput {
  alignas(32) float x[N];
  alignas(32) float w[N];

  QuantizerInput(const float* values, const float* importance) noexcept {
    constexpr float kLimit = 0x1p26f;  // no block type reaches further
    for (std::size_t i = 0; i < N; ++i) {
      const float v = values[i] == values[i] ? values[i] : 0.0f;
      x[i] = std::min(std::max(v, -kLimit), kLimit);
    }
    set_weights(importance);
  }

 private:
  void set_weights(const float* importance) noexcept {
    std::fill_n(w, N, 1.0f);
    if (importance == nullptr) return;
    double sum = 0.0;
    for (std::size_t i = 0; i < N; ++i) sum += importance[i] > 0.0f ? double{importance[i]} : 0.0;
    const double mean = sum / static_cast<double>(N);
    if (!(mean > 0.0) || mean > 1e38) return;  // nothing known, or infinite
    constexpr double kFloor = 1.0 / 1024.0;
    for (std::size_t i = 0; i < N; ++i) {
      const double relative = importance[i] > 0.0f ? double{importance[i]} / mean : 0.0;
      w[i] = static_cast<float>(std::max(relative, kFloor));
    }
  }
};

/// Limits to [low, high] and rounds to the nearest integer, ties to even; both limits are integers
/// of magnitude below 2^22, for which adding 1.5 * 2^23 leaves the integer in the mantissa.
inline float limited_round(float value, float low, float high) noexcept {
  constexpr float kRound = 12582912.0f;
  value = value > low ? value : low;
  value = value < high ? value : high;
  return (value + kRound) - kRound;
}

inline float reciprocal_or_zero(float value) noexcept {
  return value != 0.0f ? 1.0f / value : 0.0f;
}

/// The nearest half float, saturating instead of becoming infinite.
inline std::uint16_t finite_half(float value) noexcept {
  return f16_from_float(std::min(std::max(value, -65504.0f), 65504.0f));
}

inline float rounded_to_half(float value) noexcept {
  return float_from_f16(finite_half(value));
}

}  // namespace hadal
