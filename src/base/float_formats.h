// Conversions between float and the narrow formats of V4 checkpoints (deepseek-v4.md 8.1).
// All `*_from_float` round to nearest, ties to even; all decoders are exact.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace hadal {

inline float float_from_bf16(std::uint16_t x) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}

inline std::uint16_t bf16_from_float(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
    return static_cast<std::uint16_t>((bits >> 16) | 0x40u);  // quiet NaN
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float float_from_f16(std::uint16_t x) noexcept;
std::uint16_t f16_from_float(float x) noexcept;

/// e4m3fn: bias 7, subnormal step 2^-9, largest 448, 0x7F and 0xFF are NaN.
float float_from_e4m3(std::uint8_t x) noexcept;
/// Saturates to +-448; NaN stays NaN.
std::uint8_t e4m3_from_float(float x) noexcept;

/// 2^(e-127); e = 0 is 2^-127, e = 255 is NaN.
inline float float_from_e8m0(std::uint8_t e) noexcept {
  if (e == 0) return std::bit_cast<float>(0x00400000u);    // 2^-127, a subnormal
  if (e == 255) return std::bit_cast<float>(0x7FC00000u);  // NaN
  return std::bit_cast<float>(static_cast<std::uint32_t>(e) << 23);
}

/// Smallest power of two s with amax / s <= limit, as e8m0; amax 0 gives 2^-127 (product.md section
/// 2).
std::uint8_t e8m0_scale_for(float amax, float limit) noexcept;

/// The eight magnitudes of e2m1; bit 3 of the code is the sign.
inline constexpr float kFp4Values[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                         -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
/// Saturates to +-6.
std::uint8_t fp4_from_float(float x) noexcept;

}  // namespace hadal
