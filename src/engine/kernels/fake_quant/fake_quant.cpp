#include "engine/kernels/fake_quant/fake_quant.h"

#include "base/float_formats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hadal {
namespace {

/// 2^ceil(log2(x)) of a positive normal x, from its bits as the official code takes it.
float next_power_of_two(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int exponent = static_cast<int>(bits >> 23) - 127;
  return std::ldexp(1.0f, exponent + ((bits & 0x7FFFFFu) != 0 ? 1 : 0));
}

/// Rounds every block of `block` channels through a format with largest value `limit`.
template <typename RoundTrip>
void quantise_blocks(Rows<float> x, std::size_t block, float smallest_amax, float limit,
                     RoundTrip round_trip) noexcept {
  for (std::size_t row = 0; row < x.n; ++row) {
    for (std::size_t begin = 0; begin < x.width; begin += block) {
      float* first = x[row] + begin;
      float* last = x[row] + std::min(begin + block, x.width);
      float amax = smallest_amax;
      for (const float* v = first; v != last; ++v) amax = std::max(amax, std::fabs(*v));
      const float scale = next_power_of_two(amax / limit);
      for (float* v = first; v != last; ++v) {
        *v = round_trip(std::clamp(*v / scale, -limit, limit)) * scale;
      }
    }
  }
}

}  // namespace

void fake_quant_e4m3(Rows<float> x, std::size_t block) noexcept {
  quantise_blocks(x, block, 1e-4f, 448.0f,
                  [](float v) { return float_from_e4m3(e4m3_from_float(v)); });
}

void fake_quant_e2m1(Rows<float> x) noexcept {
  constexpr std::size_t kBlock = 32;
  const float smallest_amax = std::ldexp(6.0f, -126);
  quantise_blocks(x, kBlock, smallest_amax, 6.0f,
                  [](float v) { return kFp4Values[fp4_from_float(v)]; });
}

void hadamard(Rows<float> x) noexcept {
  const float norm = 1.0f / std::sqrt(static_cast<float>(x.width));
  for (std::size_t row = 0; row < x.n; ++row) {
    float* v = x[row];
    for (std::size_t half = 1; half < x.width; half *= 2) {
      for (std::size_t i = 0; i < x.width; ++i) {
        if ((i & half) != 0) continue;  // butterfly of i and its partner
        const float a = v[i];
        const float b = v[i + half];
        v[i] = a + b;
        v[i + half] = a - b;
      }
    }
    for (std::size_t i = 0; i < x.width; ++i) v[i] *= norm;
  }
}

}  // namespace hadal
