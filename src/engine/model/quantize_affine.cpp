// Q4_K and Q5_K: value = step * q - min, q in [0, 15] or [0, 31], a step and a minimum of 6 bits
// for each group of 32.
#include "base/ggml_blocks.h"
#include "engine/model/block_quantizers.h"
#include "engine/model/quantizer_input.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace hadal {
namespace {

constexpr std::size_t kGroups = 8;
constexpr float kScaleMax = 63.0f;  // of steps and minima, in units of d and dmin

/// y = step * q - min; both are >= 0.
struct Line {
  float step = 0.0f;
  float min = 0.0f;
};
using Lines = std::array<Line, kGroups>;

/// Weighted sums over the 32 elements of a group, for the codes q of one trial line.
struct CodeSums {
  float q = 0.0f;
  float qq = 0.0f;
  float qx = 0.0f;
};

/// Loops over it stand in functions of their own that take it by value: inlined, GCC 12 leaves them
/// scalar.
struct Group {
  const float* x;
  const float* w;
  float top;  ///< largest code

  float code(std::size_t i, const Line& line, float inverse) const noexcept {
    return limited_round((x[i] + line.min) * inverse, 0.0f, top);
  }
};

[[gnu::noinline]] CodeSums sums_of(const Group group, const Line line) noexcept {
  const float inverse = reciprocal_or_zero(line.step);
  float sum_q = 0.0f;
  float sum_qq = 0.0f;
  float sum_qx = 0.0f;
#pragma omp simd reduction(+ : sum_q, sum_qq, sum_qx)
  for (std::size_t i = 0; i < kGgmlGroup; ++i) {
    const float q = group.code(i, line, inverse);
    const float wq = group.w[i] * q;
    sum_q += wq;
    sum_qq += wq * q;
    sum_qx += wq * group.x[i];
  }
  return {sum_q, sum_qq, sum_qx};
}

/// sum w (x - y)^2 with the nearest codes.
[[gnu::noinline]] float error_of(const Group group, const Line line) noexcept {
  const float inverse = reciprocal_or_zero(line.step);
  float error = 0.0f;
#pragma omp simd reduction(+ : error)
  for (std::size_t i = 0; i < kGgmlGroup; ++i) {
    const float y = line.step * group.code(i, line, inverse) - line.min;
    error += group.w[i] * (group.x[i] - y) * (group.x[i] - y);
  }
  return error;
}

/// Fits lines to the codes of trial lines.
class LineFit {
 public:
  explicit LineFit(const Group& group) noexcept : group_(group) {
    low_ = high_ = group.x[0];
    for (std::size_t i = 0; i < kGgmlGroup; ++i) {
      low_ = std::min(low_, group.x[i]);
      high_ = std::max(high_, group.x[i]);
      sum_w_ += group.w[i];
      sum_x_ += group.w[i] * group.x[i];
    }
    low_ = std::min(low_, 0.0f);  // a minimum cannot be stored above 0
    high_ = std::max(high_, low_);
  }

  /// The range of the group, split evenly.
  Line plain() const noexcept { return {(high_ - low_) / group_.top, -low_}; }

  Line fitted() noexcept {
    const Line start = plain();
    best_ = start;
    if (start.step == 0.0f) return start;
    // Steps from 0.7 (the largest values are cut off) to 1.1 of the even one.
    for (int t = 0; t <= 16; ++t) {
      const float step = start.step * (0.7f + 0.025f * static_cast<float>(t));
      try_codes_of({step, start.min});
    }
    for (int round = 0; round < 4 && try_codes_of(best_); ++round) {
    }
    return best_;
  }

 private:
  /// The least-squares line for the codes that `trial` gives; keeps the best one.
  bool try_codes_of(const Line& trial) noexcept {
    const CodeSums s = sums_of(group_, trial);
    const float determinant = sum_w_ * s.qq - s.q * s.q;
    if (!(determinant > 0.0f)) return false;
    Line line = {(sum_w_ * s.qx - s.q * sum_x_) / determinant,
                 (s.q * s.qx - s.qq * sum_x_) / determinant};
    if (line.min < 0.0f) line = {s.qx / s.qq, 0.0f};
    if (!(line.step > 0.0f)) return false;
    const float gain = line.step * s.qx - line.min * sum_x_;  // of sum w x^2
    if (gain <= best_gain_) return false;
    best_gain_ = gain;
    best_ = line;
    return true;
  }

  const Group& group_;
  float low_, high_;
  float sum_w_ = 0.0f;
  float sum_x_ = 0.0f;
  Line best_;
  float best_gain_ = -std::numeric_limits<float>::infinity();
};

/// The scales of a block as it stores them, and the error that they leave.
struct BlockScales {
  float d = 0.0f;
  float dmin = 0.0f;
  std::array<int, kGroups> steps = {};
  std::array<int, kGroups> mins = {};
  float error = std::numeric_limits<float>::infinity();

  Line line(std::size_t g) const noexcept {
    return {d * static_cast<float>(steps[g]), dmin * static_cast<float>(mins[g])};
  }
};

class AffineBlock {
 public:
  AffineBlock(const float* x, const float* importance, float top) noexcept
      : input_(x, importance), top_(top) {}

  BlockScales search() const noexcept {
    Lines plain, fitted;
    for (std::size_t g = 0; g < kGroups; ++g) {
      const Group of_block = group(g);
      LineFit fit(of_block);
      plain[g] = fit.plain();
      fitted[g] = fit.fitted();
    }
    BlockScales best = start(plain, 0);
    consider(start(fitted, 1), best);
    for (int round = 0; round < 3 && consider(refitted(best), best); ++round) {
    }
    return best;
  }

  unsigned code(std::size_t g, std::size_t i, const Line& line) const noexcept {
    return static_cast<unsigned>(group(g).code(i, line, reciprocal_or_zero(line.step)));
  }

 private:
  Group group(std::size_t g) const noexcept {
    return {input_.x + g * kGgmlGroup, input_.w + g * kGgmlGroup, top_};
  }

  static bool consider(const BlockScales& candidate, BlockScales& best) noexcept {
    if (!(candidate.error < best.error)) return false;
    best = candidate;
    return true;
  }

  /// The largest step and the largest minimum become 63.
  BlockScales start(const Lines& lines, int reach) const noexcept {
    Line largest;
    for (const Line& line : lines)
      largest = {std::max(largest.step, line.step), std::max(largest.min, line.min)};
    return choose(rounded_to_half(largest.step / kScaleMax),
                  rounded_to_half(largest.min / kScaleMax), lines, reach);
  }

  /// The best integers within `reach` of lines / (d, dmin).
  BlockScales choose(float d, float dmin, const Lines& lines, int reach) const noexcept {
    BlockScales out{.d = d, .dmin = dmin, .error = 0.0f};
    for (std::size_t g = 0; g < kGroups; ++g)
      out.error +=
          choose_group(g, {nearest(lines[g].step, d), nearest(lines[g].min, dmin)}, reach, out);
    return out;
  }

  static int nearest(float value, float unit) noexcept {
    return static_cast<int>(limited_round(value * reciprocal_or_zero(unit), 0.0f, kScaleMax));
  }

  float choose_group(std::size_t g, std::array<int, 2> centre, int reach,
                     BlockScales& out) const noexcept {
    const int top = static_cast<int>(kScaleMax);
    const Group of_block = group(g);
    float least = std::numeric_limits<float>::infinity();
    for (int s = std::max(centre[0] - reach, 0); s <= std::min(centre[0] + reach, top); ++s) {
      for (int m = std::max(centre[1] - reach, 0); m <= std::min(centre[1] + reach, top); ++m) {
        const float error =
            error_of(of_block, {out.d * static_cast<float>(s), out.dmin * static_cast<float>(m)});
        if (error >= least) continue;
        least = error;
        out.steps[g] = s;
        out.mins[g] = m;
      }
    }
    return least;
  }

  /// d and dmin by least squares for all codes of the block, y = d u - dmin v with u = step q and
  /// v = min, then the integers again.
  BlockScales refitted(const BlockScales& scales) const noexcept {
    double uu = 0.0, uv = 0.0, vv = 0.0, ux = 0.0, vx = 0.0;
    Lines lines;
    for (std::size_t g = 0; g < kGroups; ++g) {
      lines[g] = scales.line(g);
      const Group of_block = group(g);
      const CodeSums s = sums_of(of_block, lines[g]);
      double sum_w = 0.0, sum_x = 0.0;
      for (std::size_t i = 0; i < kGgmlGroup; ++i) {
        sum_w += double{of_block.w[i]};
        sum_x += double{of_block.w[i]} * double{of_block.x[i]};
      }
      const double step = scales.steps[g], min = scales.mins[g];
      uu += step * step * double{s.qq};
      uv += step * min * double{s.q};
      vv += min * min * sum_w;
      ux += step * double{s.qx};
      vx += min * sum_x;
    }
    const double determinant = uu * vv - uv * uv;
    double d = uu > 0.0 ? ux / uu : 0.0;
    double dmin = 0.0;
    if (determinant > 1e-9 * uu * vv) {
      d = (ux * vv - uv * vx) / determinant;
      dmin = (ux * uv - uu * vx) / determinant;
    }
    if (!(d > 0.0) || dmin < 0.0) return {};
    return choose(rounded_to_half(static_cast<float>(d)), rounded_to_half(static_cast<float>(dmin)),
                  lines, 1);
  }

  QuantizerInput<kGroups * kGgmlGroup> input_;
  float top_;
};

/// d, dmin and the twelve bytes of 6-bit integers (base/ggml_blocks.h: q4_k_scale, q4_k_min).
void write_scales(const BlockScales& scales, std::byte* block) noexcept {
  const std::uint16_t halves[2] = {finite_half(scales.d), finite_half(scales.dmin)};
  std::memcpy(block, halves, sizeof(halves));
  std::byte* packed = block + 4;
  for (std::size_t g = 0; g < 4; ++g) {
    const auto low = [&](const std::array<int, kGroups>& v) { return static_cast<unsigned>(v[g]); };
    const auto high = [&](const std::array<int, kGroups>& v) {
      return static_cast<unsigned>(v[g + 4]);
    };
    packed[g] = static_cast<std::byte>(low(scales.steps) | high(scales.steps) >> 4 << 6);
    packed[g + 4] = static_cast<std::byte>(low(scales.mins) | high(scales.mins) >> 4 << 6);
    packed[g + 8] =
        static_cast<std::byte>((high(scales.steps) & 15u) | (high(scales.mins) & 15u) << 4);
  }
}

}  // namespace

void quantize_q4_k(const float* x, const float* importance, std::byte* block) noexcept {
  const AffineBlock search(x, importance, 15.0f);
  const BlockScales scales = search.search();
  write_scales(scales, block);
  std::memset(block + 16, 0, 128);
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t l = 0; l < kGgmlGroup; ++l) {
      const unsigned q = search.code(g, l, scales.line(g));
      block[16 + g / 2 * 32 + l] |= static_cast<std::byte>(q << 4 * (g % 2));
    }
  }
}

void quantize_q5_k(const float* x, const float* importance, std::byte* block) noexcept {
  const AffineBlock search(x, importance, 31.0f);
  const BlockScales scales = search.search();
  write_scales(scales, block);
  std::memset(block + 16, 0, 160);
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t l = 0; l < kGgmlGroup; ++l) {
      const unsigned q = search.code(g, l, scales.line(g));
      block[16 + l] |= static_cast<std::byte>(q >> 4 << g);
      block[48 + g / 2 * 32 + l] |= static_cast<std::byte>((q & 15u) << 4 * (g % 2));
    }
  }
}

}  // namespace hadal
