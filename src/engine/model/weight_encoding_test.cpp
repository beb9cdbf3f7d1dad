#include "engine/model/weight_encoding.h"

#include "base/float_formats.h"
#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace hadal {
namespace {

/// An encoded matrix and a view of it.
struct Encoded {
  std::vector<std::byte> weight;
  std::vector<std::byte> scale;
  MatrixView view;
};

MatrixView view_of(Encoding encoding, const Encoded& encoded, std::size_t rows, std::size_t cols) {
  MatrixView view;
  view.dtype = stored_dtype(encoding);
  view.data = encoded.weight.data();
  view.rows = rows;
  view.cols = cols;
  view.row_stride = encoded_row_bytes(encoding, cols);
  if (has_scales_beside(encoding)) {
    view.scale_layout = encoding == Encoding::fp8 ? ScaleLayout::block128 : ScaleLayout::group32;
    view.scale = encoded.scale.data();
    view.scale_stride = encoding == Encoding::fp8 ? (cols + 127) / 128 : cols / 32;
  }
  return view;
}

Encoded encode(Encoding encoding, const std::vector<float>& values, std::size_t cols) {
  const std::size_t rows = values.size() / cols;
  Encoded out;
  out.weight.resize(rows * encoded_row_bytes(encoding, cols));
  out.scale.resize(n_scales(encoding, rows, cols));
  for (std::size_t row = 0; row < rows; row += kEncodingRows) {
    const std::size_t n = std::min(kEncodingRows, rows - row);
    encode_rows(encoding, std::span(values).subspan(row * cols, n * cols), cols,
                out.weight.data() + row * encoded_row_bytes(encoding, cols),
                out.scale.data() + n_scales(encoding, row, cols));
  }
  out.view = view_of(encoding, out, rows, cols);
  return out;
}

std::vector<float> decode(const MatrixView& view) {
  std::vector<float> values(view.rows * view.cols);
  for (std::size_t row = 0; row < view.rows; ++row)
    decode_row(view, row, 0, view.cols, &values[row * view.cols]);
  return values;
}

/// Values over many magnitudes, with zeros.
std::vector<float> spread_values(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values(n);
  for (float& x : values) {
    const double magnitude = std::exp2(20.0 * random.uniform() - 15.0);
    x = random.below(16) == 0 ? 0.0f
                              : static_cast<float>(random.below(2) == 0 ? magnitude : -magnitude);
  }
  return values;
}

TEST(WeightEncoding, Fp8CodesEqualTheReferenceConversion) {
  // 448 in the block makes the scale 1, so that codes can be compared one by one. All bf16 patterns
  // below 448, and their upper neighbours in float, which breaks ties.
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const float x = float_from_bf16(static_cast<std::uint16_t>(bits));
    if (!(std::fabs(x) <= 448.0f)) continue;
    values.push_back(x);
    if (std::fabs(x) < 448.0f) values.push_back(std::nextafter(x, 1000.0f));
  }
  for (std::size_t begin = 0; begin < values.size(); begin += 127) {
    std::vector<float> row(
        values.begin() + static_cast<std::ptrdiff_t>(begin),
        values.begin() + static_cast<std::ptrdiff_t>(std::min(begin + 127, values.size())));
    row.push_back(448.0f);
    const Encoded encoded = encode(Encoding::fp8, row, row.size());
    ASSERT_EQ(std::to_integer<int>(encoded.scale[0]), 127);
    for (std::size_t i = 0; i < row.size(); ++i)
      ASSERT_EQ(std::to_integer<int>(encoded.weight[i]), e4m3_from_float(row[i]))
          << "x = " << row[i];
  }
}

TEST(WeightEncoding, Fp4CodesEqualTheReferenceConversion) {
  for (int step = -768; step <= 768; ++step) {  // 1/128 steps: every tie and its surroundings
    std::vector<float> group(32, 0.0f);
    group[0] = 6.0f;  // makes the scale 1
    group[1] = static_cast<float>(step) / 128.0f;
    const Encoded encoded = encode(Encoding::fp4, group, 32);
    ASSERT_EQ(std::to_integer<int>(encoded.scale[0]), 127);
    ASSERT_EQ(std::to_integer<int>(encoded.weight[0]) >> 4, fp4_from_float(group[1])) << group[1];
  }
}

TEST(WeightEncoding, ScalesAreTheSmallestPowersOfTwoThatFit) {
  for (const float amax : {448.0f, 448.00003f, 447.0f, 1.0f, 1e-30f, 1e30f}) {
    const Encoded encoded = encode(Encoding::fp8, std::vector<float>(5, amax), 5);
    const float scale = float_from_e8m0(std::to_integer<std::uint8_t>(encoded.scale[0]));
    EXPECT_LE(amax / scale, 448.0f) << amax;
    EXPECT_GT(amax / (scale / 2), 448.0f) << amax;
  }
  EXPECT_EQ(std::to_integer<int>(encode(Encoding::fp8, std::vector<float>(5, 0.0f), 5).scale[0]),
            0);
  EXPECT_EQ(std::to_integer<int>(encode(Encoding::fp4, std::vector<float>(32, 0.0f), 32).scale[0]),
            0);
}

TEST(WeightEncoding, BlocksAtTheEdgesHaveScalesOfTheirOwn) {
  // 130 x 129: 2 x 2 blocks, three of them partial.
  const std::size_t rows = 130, cols = 129;
  std::vector<float> values(rows * cols);
  const auto magnitude = [](std::size_t r, std::size_t c) {
    return std::exp2f(static_cast<float>(8 * (r / 128) + 4 * (c / 128)));
  };
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) values[r * cols + c] = magnitude(r, c);

  const Encoded encoded = encode(Encoding::fp8, values, cols);

  ASSERT_EQ(encoded.scale.size(), 4u);
  EXPECT_EQ(decode(encoded.view), values);  // powers of two are exact
}

TEST(WeightEncoding, RoundingErrorIsWithinHalfAStep) {
  const std::vector<float> values = spread_values(256 * 160, 3);
  const auto check = [&](Encoding encoding, auto limit) {
    const std::vector<float> actual = decode(encode(encoding, values, 160).view);
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::fabs(actual[i] - values[i]), limit(i))
          << name_of(encoding) << " i=" << i << " x=" << values[i];
  };
  const auto group_amax = [&](std::size_t i) {
    float amax = 0;
    for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j)
      amax = std::max(amax, std::fabs(values[j]));
    return amax;
  };
  check(Encoding::f32, [](std::size_t) { return 0.0f; });
  check(Encoding::bf16,
        [&](std::size_t i) { return std::fabs(values[i]) * 0x1p-8f; });  // 8 significant bits
  check(Encoding::fp4,
        [&](std::size_t i) { return group_amax(i) / 3.0f * 1.0001f; });  // step 2 of 6, scale < 2x
  check(Encoding::mxfp4, [&](std::size_t i) { return group_amax(i) / 3.0f * 1.0001f; });
  check(Encoding::q8_0, [&](std::size_t i) {
    return group_amax(i) / 127.0f * 0.5f + group_amax(i) * 0x1p-11f;
  });  // + f16 d
}

TEST(WeightEncoding, Mxfp4HoldsTheValuesOfFp4) {
  const std::vector<float> values = spread_values(64 * 96, 5);
  EXPECT_EQ(decode(encode(Encoding::mxfp4, values, 96).view),
            decode(encode(Encoding::fp4, values, 96).view));
}

TEST(WeightEncoding, RepackingFp4IsLosslessBothWays) {
  // T11: all 16 nibbles at every position under the scales 0, 1, 127 and 254.
  const std::size_t rows = 64, cols = 64;
  Encoded fp4;
  RandomStream random(11);
  for (std::size_t i = 0; i < rows * cols / 2; ++i)
    fp4.weight.push_back(static_cast<std::byte>(random.below(256)));
  for (std::size_t i = 0; i < rows * cols / 32; ++i) {
    constexpr int kScales[] = {0, 1, 127, 254};
    fp4.scale.push_back(static_cast<std::byte>(kScales[i % 4]));
  }
  fp4.view = view_of(Encoding::fp4, fp4, rows, cols);
  Encoded mxfp4, again;
  mxfp4.weight.resize(rows * encoded_row_bytes(Encoding::mxfp4, cols));
  again.weight.resize(fp4.weight.size());
  again.scale.resize(fp4.scale.size());

  repack_rows(fp4.view, Encoding::mxfp4, 0, rows, mxfp4.weight.data(), nullptr);
  mxfp4.view = view_of(Encoding::mxfp4, mxfp4, rows, cols);
  repack_rows(mxfp4.view, Encoding::fp4, 0, rows, again.weight.data(), again.scale.data());

  EXPECT_EQ(decode(mxfp4.view), decode(fp4.view));
  EXPECT_EQ(again.weight, fp4.weight);
  EXPECT_EQ(again.scale, fp4.scale);
  // deepseek-v4.md 9.2: byte b of a block holds value b in the low and value b + 16 in the high
  // nibble.
  const std::vector<float> row = decode(fp4.view);
  const auto first = std::to_integer<unsigned>(mxfp4.weight[1]);
  EXPECT_EQ(kFp4Values[first & 15] * float_from_e8m0(0), row[0]);
  EXPECT_EQ(kFp4Values[first >> 4] * float_from_e8m0(0), row[16]);
}

TEST(WeightEncoding, EveryE4m3CodeSurvivesDecodingAndEncoding) {
  Encoded stored;  // T11: one row of all codes but the NaNs
  for (int code = 0; code < 256; ++code)
    if ((code & 0x7F) != 0x7F) stored.weight.push_back(static_cast<std::byte>(code));
  stored.scale.assign(2, std::byte{127});
  stored.view = view_of(Encoding::fp8, stored, 1, stored.weight.size());
  std::vector<float> values = decode(stored.view);
  values[128] = 448.0f;  // both scale blocks hold 448, so that both scales are 1

  const Encoded again = encode(Encoding::fp8, values, values.size());

  stored.weight[128] = again.weight[128];
  EXPECT_EQ(again.weight, stored.weight);
}

TEST(WeightEncoding, NonFiniteValuesNeitherHangNorSpread) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> values(64, 1.0f);
  values[0] = inf;
  values[1] = -inf;
  values[40] = std::nanf("");
  for (Encoding encoding :
       {Encoding::fp8, Encoding::fp4, Encoding::mxfp4, Encoding::q8_0, Encoding::bf16}) {
    const std::vector<float> actual = decode(encode(encoding, values, 64).view);
    EXPECT_FALSE(std::isnan(actual[50])) << name_of(encoding);
  }
}

}  // namespace
}  // namespace hadal
