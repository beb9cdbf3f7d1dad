#include "base/float_formats.h"

#include <algorithm>

namespace hadal {
namespace {

/// x / 2^exponent rounded to an integer, ties to even. |x| / 2^exponent is below 2^24, so rint is
/// exact.
float round_to_step(float x, int exponent) noexcept {
  return std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
}

}  // namespace

float float_from_f16(std::uint16_t x) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(x & 0x8000u) << 16;
  const std::uint32_t exponent = (x >> 10) & 0x1Fu;
  const std::uint32_t mantissa = x & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

std::uint16_t f16_from_float(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (magnitude >= 65520.0f) return static_cast<std::uint16_t>(sign | 0x7C00u);
  if (magnitude < 6.103515625e-05f) {  // below 2^-14: subnormal, step 2^-24
    return static_cast<std::uint16_t>(
        sign | static_cast<std::uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  const std::uint32_t m = std::bit_cast<std::uint32_t>(magnitude);
  const std::uint32_t rounded = m + 0xFFFu + ((m >> 13) & 1u);  // 13 mantissa bits are dropped
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

float float_from_e4m3(std::uint8_t x) noexcept {
  const int exponent = (x >> 3) & 15;
  const int mantissa = x & 7;
  float magnitude;
  if (exponent == 15 && mantissa == 7) {
    magnitude = std::bit_cast<float>(0x7FC00000u);
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -9);
  } else {
    magnitude = std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  }
  return (x & 0x80u) != 0 ? -magnitude : magnitude;
}

std::uint8_t e4m3_from_float(float x) noexcept {
  const std::uint8_t sign = std::signbit(x) ? 0x80 : 0;
  if (std::isnan(x)) return sign | 0x7F;
  const float magnitude = std::min(std::fabs(x), 448.0f);
  int exponent =
      magnitude == 0.0f ? -6 : std::max(std::ilogb(magnitude), -6);  // of the value's binade
  const float rounded = round_to_step(magnitude, exponent - 3);
  if (rounded == 0.0f) return sign;
  exponent = std::max(std::ilogb(rounded), -6);  // rounding may have moved to the next binade
  const int steps =
      static_cast<int>(std::ldexp(rounded, 3 - exponent));  // 8..15, or 0..7 when subnormal
  const int code = steps >= 8 ? ((exponent + 7) << 3) | (steps - 8) : steps;
  return static_cast<std::uint8_t>(sign | code);
}

std::uint8_t e8m0_scale_for(float amax, float limit) noexcept {
  if (!(amax > 0.0f)) return 0;
  int exponent = std::ilogb(amax / limit);  // then correct for the rounding of the quotient
  while (std::ldexp(static_cast<double>(limit), exponent) < static_cast<double>(amax)) ++exponent;
  while (std::ldexp(static_cast<double>(limit), exponent - 1) >= static_cast<double>(amax))
    --exponent;
  return static_cast<std::uint8_t>(std::clamp(exponent + 127, 0, 254));
}

std::uint8_t fp4_from_float(float x) noexcept {
  const std::uint8_t sign = std::signbit(x) ? 8 : 0;
  const float m = std::fabs(x);
  // Midpoints between neighbours; a tie goes to the code with an even mantissa bit.
  std::uint8_t code = 7;
  if (m <= 0.25f)
    code = 0;
  else if (m < 0.75f)
    code = 1;
  else if (m <= 1.25f)
    code = 2;
  else if (m < 1.75f)
    code = 3;
  else if (m <= 2.5f)
    code = 4;
  else if (m < 3.5f)
    code = 5;
  else if (m <= 5.0f)
    code = 6;
  return static_cast<std::uint8_t>(sign | code);
}

}  // namespace hadal
