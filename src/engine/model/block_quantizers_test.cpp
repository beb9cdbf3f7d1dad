// Searched scales against plain rounding to the range of each group, which is written down here
// once more, in double.
#include "engine/model/block_quantizers.h"

#include "base/float_formats.h"
#include "base/ggml_blocks.h"
#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace hadal {
namespace {

using Values = std::vector<float>;

double to_half(double x) {
  return double{float_from_f16(f16_from_float(static_cast<float>(x)))};
}

double code(double x, double step, double low, double high) {
  return step == 0.0 ? 0.0 : std::clamp(std::nearbyint(x / step), low, high);
}

/// The value of largest magnitude in x[begin, begin + n).
double extreme(const Values& x, std::size_t begin, std::size_t n) {
  return *std::max_element(x.begin() + static_cast<std::ptrdiff_t>(begin),
                           x.begin() + static_cast<std::ptrdiff_t>(begin + n),
                           [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

std::vector<double> plain_q4_0(const Values& x) {
  const double d = to_half(extreme(x, 0, 32) / -8.0);
  std::vector<double> y(32);
  for (std::size_t i = 0; i < 32; ++i) y[i] = d * code(x[i], d, -8.0, 7.0);
  return y;
}

std::vector<double> plain_q6_k(const Values& x) {
  std::array<double, 16> steps;
  double largest = 0.0;
  for (std::size_t g = 0; g < 16; ++g) {
    steps[g] = extreme(x, 16 * g, 16) / -32.0;
    if (std::fabs(steps[g]) > std::fabs(largest)) largest = steps[g];
  }
  const double d = to_half(largest / -128.0);
  std::vector<double> y(256);
  for (std::size_t i = 0; i < 256; ++i) {
    const double step = d * code(steps[i / 16], d, -128.0, 127.0);
    y[i] = step * code(x[i], step, -32.0, 31.0);
  }
  return y;
}

std::vector<double> plain_affine(const Values& x, double top) {
  std::array<double, 8> steps, mins;
  for (std::size_t g = 0; g < 8; ++g) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(32 * g);
    const auto [low, high] = std::minmax_element(begin, begin + 32);
    mins[g] = -std::min(double{*low}, 0.0);
    steps[g] = (std::max(double{*high}, -mins[g]) + mins[g]) / top;
  }
  const double d = to_half(*std::max_element(steps.begin(), steps.end()) / 63.0);
  const double dmin = to_half(*std::max_element(mins.begin(), mins.end()) / 63.0);
  std::vector<double> y(256);
  for (std::size_t i = 0; i < 256; ++i) {
    const double step = d * code(steps[i / 32], d, 0.0, 63.0);
    const double min = dmin * code(mins[i / 32], dmin, 0.0, 63.0);
    y[i] = step * code(x[i] + min, step, 0.0, top) - min;
  }
  return y;
}

struct Quantizer {
  const char* name;
  DType dtype;
  void (*quantize)(const float* x, const float* importance, std::byte* block) noexcept;
  std::vector<double> (*plain)(const Values& x);
  // Shares of the error, seen on these seeds and a little above: each part of the search is worth
  // one or two percent, and its loss passes them.
  double share_of_plain;       ///< of plain rounding's error, on normal weights
  double share_of_unweighted;  ///< of the weighted error that equal weights leave
};

const Quantizer kQuantizers[] = {
    {"Q4_0", DType::q4_0, quantize_q4_0, plain_q4_0, 0.875, 0.53},
    {"Q4_K", DType::q4_k, quantize_q4_k, [](const Values& x) { return plain_affine(x, 15.0); },
     0.797, 0.453},
    {"Q5_K", DType::q5_k, quantize_q5_k, [](const Values& x) { return plain_affine(x, 31.0); },
     0.81, 0.46},
    {"Q6_K", DType::q6_k, quantize_q6_k, plain_q6_k, 0.81, 0.53},
};

class BlockQuantizer : public testing::TestWithParam<Quantizer> {
 protected:
  std::size_t size() const { return info(GetParam().dtype).block_elements; }

  std::vector<std::byte> quantized(const Values& x, const Values& importance = {}) const {
    std::vector<std::byte> block(info(GetParam().dtype).block_bytes, std::byte{0xAA});
    GetParam().quantize(x.data(), importance.empty() ? nullptr : importance.data(), block.data());
    return block;
  }

  Values decoded(const std::vector<std::byte>& block) const {
    Values y(size());
    decode_block(GetParam().dtype, block.data(), y.data());
    return y;
  }
};

INSTANTIATE_TEST_SUITE_P(All, BlockQuantizer, testing::ValuesIn(kQuantizers),
                         [](const auto& test) { return std::string(test.param.name); });

template <typename Y>
double error_of(const Values& x, const Y& y, const Values& importance = {}) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double difference = double{x[i]} - double{y[i]};
    sum += (importance.empty() ? 1.0 : double{importance[i]}) * difference * difference;
  }
  return sum;
}

double gaussian(RandomStream& random) {
  double sum = -6.0;
  for (int i = 0; i < 12; ++i) sum += random.uniform();
  return sum;
}

/// Kinds of blocks: weights as models have them, and what they should not have.
enum class Kind { normal, outliers, positive, shifted, sparse, constant, tiny, huge, zero, count };

Values values_of_kind(Kind kind, std::size_t n, RandomStream& random) {
  Values x(n);
  for (float& v : x) {
    double value = 0.03 * gaussian(random);
    if (kind == Kind::outliers && random.below(40) == 0) value *= 20.0;
    if (kind == Kind::positive) value = std::fabs(value);
    if (kind == Kind::shifted) value += 5.0;
    if (kind == Kind::sparse && random.below(4) != 0) value = 0.0;
    if (kind == Kind::constant) value = -0.7;
    if (kind == Kind::tiny) value *= 1e-5;
    if (kind == Kind::huge) value *= 1e6;
    if (kind == Kind::zero) value = 0.0;
    v = static_cast<float>(value);
  }
  return x;
}

TEST_P(BlockQuantizer, IsNeverWorseThanPlainRounding) {
  RandomStream random(11);
  for (int kind = 0; kind < static_cast<int>(Kind::count); ++kind) {
    for (int trial = 0; trial < 40; ++trial) {
      const Values x = values_of_kind(static_cast<Kind>(kind), size(), random);
      const double plain = error_of(x, GetParam().plain(x));

      const double searched = error_of(x, decoded(quantized(x)));

      // Plain rounding in float may take the other side of a tie: of each code, 2^-22 of a step.
      EXPECT_LE(searched, plain * (1.0 + 1e-5)) << "kind " << kind << " trial " << trial;
    }
  }
}

TEST_P(BlockQuantizer, SearchPaysOnNormalWeights) {
  RandomStream random(12);
  double plain = 0.0, searched = 0.0;
  for (int trial = 0; trial < 100; ++trial) {
    const Values x = values_of_kind(Kind::normal, size(), random);
    plain += error_of(x, GetParam().plain(x));
    searched += error_of(x, decoded(quantized(x)));
  }
  EXPECT_LT(searched, GetParam().share_of_plain * plain) << searched / plain;
}

Values importance_of_columns(std::size_t n, RandomStream& random) {
  Values w(n);
  for (float& v : w) v = static_cast<float>(std::exp(2.0 * gaussian(random)));
  return w;
}

TEST_P(BlockQuantizer, ImportanceLowersTheWeightedError) {
  RandomStream random(14);
  double without = 0.0, with = 0.0;
  for (int trial = 0; trial < 60; ++trial) {
    const Values x = values_of_kind(Kind::normal, size(), random);
    const Values w = importance_of_columns(size(), random);
    without += error_of(x, decoded(quantized(x)), w);
    with += error_of(x, decoded(quantized(x, w)), w);
  }
  EXPECT_LT(with, GetParam().share_of_unweighted * without) << with / without;
}

TEST_P(BlockQuantizer, OnlyTheRatiosOfImportanceCount) {
  RandomStream random(15);
  const Values x = values_of_kind(Kind::normal, size(), random);
  Values w = importance_of_columns(size(), random);
  const auto expected = quantized(x, w);
  for (float& v : w) v *= 1024.0f;

  EXPECT_EQ(quantized(x, w), expected);
  EXPECT_EQ(quantized(x, Values(size(), 7.0f)), quantized(x));
  EXPECT_EQ(quantized(x, Values(size(), 0.0f)), quantized(x));
}

TEST_P(BlockQuantizer, StaysFiniteOnAnything) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float odd[] = {nan, inf, -inf, 1e38f, -1e38f, 1e-40f, -1e-40f, 0.0f, -0.0f, 1.0f};
  RandomStream random(16);
  for (int trial = 0; trial < 300; ++trial) {
    Values x(size()), w(size());
    const std::uint32_t n_kinds = 1 + random.below(std::size(odd));
    for (float& v : x) v = odd[random.below(n_kinds)];
    for (float& v : w) v = odd[random.below(std::size(odd))];
    for (const Values& importance : {Values(), w})
      for (const float v : decoded(quantized(x, importance))) ASSERT_TRUE(std::isfinite(v));
  }
}

TEST_P(BlockQuantizer, ZerosStayZero) {
  for (const float v : decoded(quantized(Values(size(), 0.0f)))) EXPECT_EQ(v, 0.0f);
}

}  // namespace
}  // namespace hadal
