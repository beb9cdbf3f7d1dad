// Q4_0 and Q6_K: value = scale * q, q in [-h, h - 1]. The scale may be negative, so that the value
// of largest magnitude can take the longer side.
#include "engine/model/block_quantizers.h"
#include "engine/model/quantizer_input.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace hadal {
namespace {

/// N values with their weights; q lies in [-half, half - 1]. Loops over it stand in functions of
/// their own that take it by value: inlined, GCC 12 leaves them scalar.
template <std::size_t N>
struct Group {
  const float* x;
  const float* w;
  float half;

  float code(std::size_t i, float inverse) const noexcept {
    return limited_round(x[i] * inverse, -half, half - 1.0f);
  }
};

/// sum w x q and sum w q^2 for the codes of one trial scale.
struct Sums {
  float xq = 0.0f;
  float qq = 0.0f;

  /// The best scale for these codes, and how much of sum w x^2 it explains.
  float scale() const noexcept { return qq > 0.0f ? xq / qq : 0.0f; }
  float gain() const noexcept { return qq > 0.0f ? xq * xq / qq : 0.0f; }
};

template <std::size_t N>
[[gnu::noinline]] Sums sums_of(const Group<N> group, float inverse) noexcept {
  float xq = 0.0f;
  float qq = 0.0f;
#pragma omp simd reduction(+ : xq, qq)
  for (std::size_t i = 0; i < N; ++i) {
    const float q = group.code(i, inverse);
    xq += group.w[i] * q * group.x[i];
    qq += group.w[i] * q * q;
  }
  return {xq, qq};
}

/// sum w (x - scale q)^2 with the nearest codes.
template <std::size_t N>
[[gnu::noinline]] float error_of(const Group<N> group, float scale) noexcept {
  const float inverse = reciprocal_or_zero(scale);
  float error = 0.0f;
#pragma omp simd reduction(+ : error)
  for (std::size_t i = 0; i < N; ++i) {
    const float difference = group.x[i] - scale * group.code(i, inverse);
    error += group.w[i] * difference * difference;
  }
  return error;
}

/// The value of largest magnitude.
template <std::size_t N>
float extreme_of(const Group<N>& group) noexcept {
  float extreme = 0.0f;
  for (std::size_t i = 0; i < N; ++i)
    if (std::fabs(group.x[i]) > std::fabs(extreme)) extreme = group.x[i];
  return extreme;
}

/// Trial scales that put the extreme value at `first`, `first + step`, ... (beyond the half range
/// it is cut off), on the long side and on the short one.
struct Trials {
  float first;
  float step;
  int count;
};
constexpr Trials kTrialsQ4 = {6.25f, 0.25f, 14};
constexpr Trials kTrialsQ6 = {29.5f, 0.5f, 10};

template <std::size_t N>
float fitted_scale(const Group<N>& group, float extreme, const Trials& trials) noexcept {
  Sums best;
  const auto try_inverse = [&](float inverse) {
    const Sums sums = sums_of(group, inverse);
    if (sums.gain() <= best.gain()) return false;
    best = sums;
    return true;
  };
  for (int t = 0; t < trials.count; ++t) {
    const float inverse = (trials.first + trials.step * static_cast<float>(t)) / extreme;
    try_inverse(-inverse);
    try_inverse(inverse);
  }
  // Codes for the fitted scale, and again: each round gains.
  for (int round = 0; round < 8 && try_inverse(reciprocal_or_zero(best.scale())); ++round) {
  }
  return best.scale();
}

constexpr std::size_t kQ6Groups = 16;
constexpr std::size_t kQ6GroupSize = 16;
using Q6Group = Group<kQ6GroupSize>;

/// The scales of a Q6_K block as it stores them, and the error that they leave.
struct Q6Scales {
  float d = 0.0f;
  std::array<int, kQ6Groups> scales = {};
  float error = std::numeric_limits<float>::infinity();
};

class Q6Block {
 public:
  Q6Block(const float* x, const float* importance) noexcept : input_(x, importance) {}

  void write(std::byte* block) const noexcept {
    const Q6Scales best = search();
    std::memset(block, 0, 192);
    for (std::size_t g = 0; g < kQ6Groups; ++g) {
      write_codes(g, best.d * static_cast<float>(best.scales[g]), block);
      block[192 + g] = static_cast<std::byte>(best.scales[g]);
    }
    const std::uint16_t d = finite_half(best.d);
    std::memcpy(block + 208, &d, sizeof(d));
  }

 private:
  Q6Group group(std::size_t g) const noexcept {
    return {input_.x + g * kQ6GroupSize, input_.w + g * kQ6GroupSize, 32.0f};
  }

  Q6Scales search() const noexcept {
    std::array<float, kQ6Groups> plain = {};
    std::array<float, kQ6Groups> fitted = {};
    for (std::size_t g = 0; g < kQ6Groups; ++g) {
      const float extreme = extreme_of(group(g));
      if (extreme == 0.0f) continue;
      plain[g] = extreme / -32.0f;
      fitted[g] = fitted_scale(group(g), extreme, kTrialsQ6);
    }
    Q6Scales best = choose(block_scale(plain), plain, 0);
    consider(choose(block_scale(fitted), fitted, 1), best);
    for (int round = 0; round < 3; ++round)
      if (!consider(choose(refitted_d(best), steps_of(best), 1), best)) break;
    return best;
  }

  static bool consider(const Q6Scales& candidate, Q6Scales& best) noexcept {
    if (!(candidate.error < best.error)) return false;
    best = candidate;
    return true;
  }

  /// The largest scale becomes -128.
  static float block_scale(const std::array<float, kQ6Groups>& steps) noexcept {
    float largest = 0.0f;
    for (const float step : steps)
      if (std::fabs(step) > std::fabs(largest)) largest = step;
    return rounded_to_half(largest / -128.0f);
  }

  /// The best integer scales within `reach` of steps / d.
  Q6Scales choose(float d, const std::array<float, kQ6Groups>& steps, int reach) const noexcept {
    Q6Scales out{.d = d, .error = 0.0f};
    const float inverse = reciprocal_or_zero(d);
    for (std::size_t g = 0; g < kQ6Groups; ++g) {
      const int centre = static_cast<int>(limited_round(steps[g] * inverse, -128.0f, 127.0f));
      float least = std::numeric_limits<float>::infinity();
      for (int s = std::max(centre - reach, -128); s <= std::min(centre + reach, 127); ++s) {
        const float error = error_of(group(g), d * static_cast<float>(s));
        if (error < least) {
          least = error;
          out.scales[g] = s;
        }
      }
      out.error += least;
    }
    return out;
  }

  static std::array<float, kQ6Groups> steps_of(const Q6Scales& scales) noexcept {
    std::array<float, kQ6Groups> steps;
    for (std::size_t g = 0; g < kQ6Groups; ++g)
      steps[g] = scales.d * static_cast<float>(scales.scales[g]);
    return steps;
  }

  /// The least-squares d for all codes of the block.
  float refitted_d(const Q6Scales& scales) const noexcept {
    Sums total;
    for (std::size_t g = 0; g < kQ6Groups; ++g) {
      const auto scale = static_cast<float>(scales.scales[g]);
      const Sums sums = sums_of(group(g), reciprocal_or_zero(scales.d * scale));
      total.xq += sums.xq * scale;
      total.qq += sums.qq * scale * scale;
    }
    return rounded_to_half(total.scale());
  }

  /// Group g covers elements 16 g .. 16 g + 15; places as in base/ggml_blocks.h.
  void write_codes(std::size_t g, float step, std::byte* block) const noexcept {
    const float inverse = reciprocal_or_zero(step);
    for (std::size_t i = 0; i < kQ6GroupSize; ++i) {
      const std::size_t e = g * kQ6GroupSize + i;
      const std::size_t l = e % 32, k = e / 32 % 4, h = e / 128;
      const auto q = static_cast<unsigned>(static_cast<int>(group(g).code(i, inverse)) + 32);
      block[64 * h + 32 * (k % 2) + l] |= static_cast<std::byte>((q & 15u) << 4 * (k / 2));
      block[128 + 32 * h + l] |= static_cast<std::byte>((q >> 4) << 2 * k);
    }
  }

  QuantizerInput<kQ6Groups * kQ6GroupSize> input_;
};

}  // namespace

void quantize_q4_0(const float* x, const float* importance, std::byte* block) noexcept {
  const QuantizerInput<32> input(x, importance);
  const Group<32> group = {input.x, input.w, 8.0f};
  const float extreme = extreme_of(group);
  float d = rounded_to_half(extreme / -8.0f);
  if (extreme != 0.0f) {
    const float fitted = rounded_to_half(fitted_scale(group, extreme, kTrialsQ4));
    if (error_of(group, fitted) < error_of(group, d)) d = fitted;
  }
  const std::uint16_t half = finite_half(d);
  std::memcpy(block, &half, sizeof(half));
  const float inverse = reciprocal_or_zero(d);
  for (std::size_t i = 0; i < 16; ++i) {
    const auto low = static_cast<unsigned>(static_cast<int>(group.code(i, inverse)) + 8);
    const auto high = static_cast<unsigned>(static_cast<int>(group.code(i + 16, inverse)) + 8);
    block[2 + i] = static_cast<std::byte>(low | high << 4);
  }
}

void quantize_q6_k(const float* x, const float* importance, std::byte* block) noexcept {
  Q6Block(x, importance).write(block);
}

}  // namespace hadal
