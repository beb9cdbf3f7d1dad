#include "engine/kernels/matrix_view.h"

#include "base/float_formats.h"
#include "base/ggml_blocks.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace hadal {
namespace {

using namespace testing;

// Expectations are written from the tables of deepseek-v4.md 8.1 and 9.2 with pow, not with the
// bit tricks of the decoders.

double expected_e4m3(unsigned code) {
  const double sign = code >= 128 ? -1.0 : 1.0;
  const unsigned exponent = code / 8 % 16;
  const unsigned mantissa = code % 8;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * mantissa * std::pow(2.0, -9.0);
  return sign * (1.0 + mantissa / 8.0) * std::pow(2.0, static_cast<double>(exponent) - 7.0);
}

double expected_e8m0(unsigned code) {
  if (code == 255) return std::numeric_limits<double>::quiet_NaN();
  return std::pow(2.0, static_cast<double>(code) - 127.0);
}

double expected_f16(unsigned code) {
  const double sign = code >= 0x8000 ? -1.0 : 1.0;
  const unsigned exponent = code / 1024 % 32;
  const unsigned mantissa = code % 1024;
  if (exponent == 31 && mantissa != 0) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 31) return sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * mantissa * std::pow(2.0, -24.0);
  return sign * (1.0 + mantissa / 1024.0) * std::pow(2.0, static_cast<double>(exponent) - 15.0);
}

double expected_fp4(unsigned code) {
  const double magnitudes[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
  return (code >= 8 ? -1.0 : 1.0) * magnitudes[code % 8];
}

/// A decoder under test: decode_row or a variant's decode_columns.
struct Decoder {
  std::string name;
  DecodeColumns decode;
};

std::vector<Decoder> decoders() {
  std::vector<Decoder> all = {{"decode_row", decode_row}};
  for (const CpuKernels& kernels : cpu_kernels()) {
    if (kernels.runs_here()) {
      all.push_back({std::string(kernels.name), kernels.decode_columns});
    }
  }
  return all;
}

/// Decodes one row with every decoder and compares it with exact values, rounded to float.
void expect_row(const MatrixView& matrix, std::size_t row, const std::vector<double>& expected) {
  for (const Decoder& d : decoders()) {
    std::vector<float> actual(matrix.cols, 123.0f);
    d.decode(matrix, row, 0, matrix.cols, actual.data());
    for (std::size_t c = 0; c < matrix.cols; ++c) {
      ASSERT_TRUE(same_float(actual[c], static_cast<float>(expected[c])))
          << d.name << ": row " << row << " column " << c << ": expected " << expected[c]
          << ", found " << actual[c];
    }
  }
}

TEST(MatrixView, DecodesEveryE4m3CodeUnderEveryScale) {
  std::vector<std::byte> codes(256);
  for (std::size_t i = 0; i < 256; ++i) codes[i] = static_cast<std::byte>(i);
  for (const unsigned scale : {0u, 1u, 100u, 127u, 130u, 254u, 255u}) {
    const std::byte scales[2] = {static_cast<std::byte>(scale), std::byte{127}};
    const MatrixView m = {.dtype = DType::f8_e4m3,
                          .scale_layout = ScaleLayout::block128,
                          .data = codes.data(),
                          .scale = scales,
                          .rows = 1,
                          .cols = 256,
                          .row_stride = 256,
                          .scale_stride = 2};
    std::vector<double> expected(256);
    for (unsigned c = 0; c < 256; ++c) {
      expected[c] = expected_e4m3(c) * expected_e8m0(c < 128 ? scale : 127);
    }
    expect_row(m, 0, expected);
  }
}

TEST(MatrixView, UsesFloatBlockScalesWithOneRounding) {
  std::vector<std::byte> codes(130 * 200);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(i * 7 % 127);
  const float scales[4] = {0.1f, 0.3f, 7.7e-5f, 1e30f};  // blocks (0,0) (0,1) (1,0) (1,1)
  const MatrixView m = {.dtype = DType::f8_e4m3,
                        .scale_layout = ScaleLayout::block128,
                        .scale_dtype = DType::f32,
                        .data = codes.data(),
                        .scale = reinterpret_cast<const std::byte*>(scales),
                        .rows = 130,
                        .cols = 200,
                        .row_stride = 200,
                        .scale_stride = 2};
  for (const std::size_t row : {0, 127, 128, 129}) {
    std::vector<double> expected(200);
    for (std::size_t c = 0; c < 200; ++c) {
      const double scale = scales[row / 128 * 2 + c / 128];
      expected[c] = expected_e4m3(static_cast<unsigned>(codes[row * 200 + c])) * scale;
    }
    expect_row(m, row, expected);
  }
}

TEST(MatrixView, TakesTheLowNibbleOfFp4First) {
  std::vector<std::byte> bytes(2 * 256);  // every pair of nibbles, in two rows
  for (std::size_t i = 0; i < 512; ++i) bytes[i] = static_cast<std::byte>(i % 256);
  std::vector<std::byte> scales(2 * 16);
  for (std::size_t i = 0; i < 32; ++i) scales[i] = static_cast<std::byte>(i == 3 ? 0 : 110 + i);
  scales[20] = std::byte{254};
  const MatrixView m = {.dtype = DType::fp4,
                        .scale_layout = ScaleLayout::group32,
                        .data = bytes.data(),
                        .scale = scales.data(),
                        .rows = 2,
                        .cols = 512,
                        .row_stride = 256,
                        .scale_stride = 16};
  for (std::size_t row = 0; row < 2; ++row) {
    std::vector<double> expected(512);
    for (std::size_t c = 0; c < 512; ++c) {
      const auto byte = static_cast<unsigned>(bytes[row * 256 + c / 2]);
      const unsigned code = c % 2 == 0 ? byte % 16 : byte / 16;
      const auto scale = static_cast<unsigned>(scales[row * 16 + c / 32]);
      expected[c] = expected_fp4(code) * expected_e8m0(scale);
    }
    expect_row(m, row, expected);
  }
}

TEST(MatrixView, TakesTheHighNibblesOfMxfp4AsTheSecondHalfOfABlock) {
  constexpr std::size_t kBlocks = 6;
  const unsigned scales[kBlocks] = {0, 1, 120, 127, 254, 255};
  std::vector<std::byte> bytes(kBlocks * 17);
  std::vector<double> expected(kBlocks * 32);
  for (std::size_t b = 0; b < kBlocks; ++b) {
    bytes[b * 17] = static_cast<std::byte>(scales[b]);
    for (unsigned i = 0; i < 16; ++i) {
      const unsigned low = (i + static_cast<unsigned>(b)) % 16;
      const unsigned high = 15 - i;
      bytes[b * 17 + 1 + i] = static_cast<std::byte>(low + 16 * high);
      expected[b * 32 + i] = expected_fp4(low) * expected_e8m0(scales[b]);
      expected[b * 32 + 16 + i] = expected_fp4(high) * expected_e8m0(scales[b]);
    }
  }
  const MatrixView m = {.dtype = DType::mxfp4,
                        .data = bytes.data(),
                        .rows = 1,
                        .cols = kBlocks * 32,
                        .row_stride = kBlocks * 17};
  expect_row(m, 0, expected);
}

TEST(MatrixView, MultipliesQ8BlocksByTheirHalfScale) {
  const unsigned scales[4] = {0x3C00, 0x0001, 0x7BFF, 0xA123};  // 1, 2^-24, 65504, negative
  std::vector<std::byte> bytes(8 * 34);
  std::vector<double> expected(8 * 32);
  for (std::size_t b = 0; b < 8; ++b) {
    const auto scale = static_cast<std::uint16_t>(scales[b % 4]);
    std::memcpy(bytes.data() + b * 34, &scale, 2);
    for (std::size_t i = 0; i < 32; ++i) {
      const auto value = static_cast<std::int8_t>(static_cast<int>(b * 32 + i) - 128);
      std::memcpy(bytes.data() + b * 34 + 2 + i, &value, 1);
      // An integer has no -0: 0 times a negative scale is -0 in float and in double alike.
      expected[b * 32 + i] = static_cast<double>(value) * expected_f16(scale);
    }
  }
  const MatrixView m = {
      .dtype = DType::q8_0, .data = bytes.data(), .rows = 1, .cols = 8 * 32, .row_stride = 8 * 34};
  expect_row(m, 0, expected);
}

TEST(MatrixView, DecodesEvery16BitCode) {
  std::vector<std::uint16_t> codes(65536);
  std::vector<double> half(65536);
  std::vector<double> brain(65536);
  for (std::uint32_t c = 0; c < 65536; ++c) {
    codes[c] = static_cast<std::uint16_t>(c);
    half[c] = expected_f16(c);
    float value;
    const std::uint32_t bits = c << 16;
    std::memcpy(&value, &bits, 4);  // bf16 is the upper half of a float
    brain[c] = value;
  }
  MatrixView m = {.dtype = DType::f16,
                  .data = reinterpret_cast<const std::byte*>(codes.data()),
                  .rows = 1,
                  .cols = 65536,
                  .row_stride = 131072};
  expect_row(m, 0, half);
  m.dtype = DType::bf16;
  expect_row(m, 0, brain);
}

TEST(MatrixView, DecodesAnyRangeOfARow) {
  for (const Storage& storage : all_storages()) {
    const StoredMatrix m = random_matrix(storage, 3, 160, 5);
    const auto all = decoded(m.view);
    for (const auto& [begin, end] : {std::pair<std::size_t, std::size_t>{0, 1},
                                     {31, 33},
                                     {7, 160},
                                     {128, 160},
                                     {159, 160},
                                     {40, 40}}) {
      std::vector<float> part(end - begin + 1, 123.0f);
      decode_row(m.view, 2, begin, end, part.data());
      for (std::size_t c = begin; c < end; ++c) {
        EXPECT_TRUE(same_float(part[c - begin], all[2 * 160 + c])) << storage.name << " " << c;
      }
      EXPECT_EQ(part.back(), 123.0f) << storage.name;  // nothing beyond the range
    }
  }
}

TEST(MatrixView, DecodesGgmlBlocksAsTheirCodecDoes) {
  for (const DType dtype : {DType::q4_0, DType::q4_k, DType::q5_k, DType::q6_k, DType::q2_k,
                            DType::q3_k, DType::iq2_xxs, DType::iq4_xs}) {
    const DTypeInfo& type = info(dtype);
    const std::size_t cols = 3 * 256;
    const std::size_t n_blocks = cols / type.block_elements;
    std::vector<std::byte> bytes(2 * n_blocks * type.block_bytes);
    RandomStream random(static_cast<std::uint64_t>(dtype));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random.next() >> 56);
    const MatrixView m = {.dtype = dtype,
                          .data = bytes.data(),
                          .rows = 2,
                          .cols = cols,
                          .row_stride = n_blocks * type.block_bytes};
    std::vector<float> expected(cols);
    for (std::size_t b = 0; b < n_blocks; ++b)
      decode_block(dtype, m.data + m.row_stride + b * type.block_bytes,
                   &expected[b * type.block_elements]);
    for (const auto& [begin, end] : {std::pair<std::size_t, std::size_t>{0, cols},
                                     {1, 2},
                                     {30, 700},
                                     {256, 512},
                                     {128, 677},
                                     {511, 513},
                                     {40, 40},
                                     {735, cols}}) {
      for (const Decoder& d : decoders()) {
        if (d.name != "decode_row" && begin % 128 != 0) continue;  // DecodeColumns
        std::vector<float> actual(end - begin + 1, 123.0f);
        d.decode(m, 1, begin, end, actual.data());
        for (std::size_t c = begin; c < end; ++c)
          ASSERT_TRUE(same_float(actual[c - begin], expected[c]))
              << type.name << " " << d.name << " [" << begin << ", " << end << ") column " << c;
        EXPECT_EQ(actual.back(), 123.0f) << type.name << " " << d.name;  // nothing beyond
      }
    }
  }
}

TEST(MatrixView, VariantsDecodeOddWidthsExactlyAndNoFurther) {
  for (const Storage& storage : all_storages()) {
    for (const std::size_t cols : {1, 2, 15, 17, 33, 127, 129, 515}) {
      const StoredMatrix m = random_matrix(storage, 3, cols, cols);
      const auto expected = decoded(m.view);
      for (const Decoder& d : decoders()) {
        std::vector<float> actual(cols + 1, 123.0f);
        d.decode(m.view, 2, 0, cols, actual.data());
        for (std::size_t c = 0; c < cols; ++c) {
          ASSERT_TRUE(same_float(actual[c], expected[2 * cols + c]))
              << storage.name << " " << d.name << " cols=" << cols << " c=" << c;
        }
        EXPECT_EQ(actual[cols], 123.0f) << storage.name << " " << d.name;
      }
    }
  }
}

TEST(MatrixView, CountsBytesWithScales) {
  EXPECT_EQ(bytes_of(MatrixView{}), 0u);
  EXPECT_EQ(bytes_of(random_matrix({"", DType::f32}, 3, 5, 1).view), 60u);
  EXPECT_EQ(bytes_of(random_matrix({"", DType::q8_0}, 2, 64, 1).view), 2u * 2 * 34);
  EXPECT_EQ(bytes_of(random_matrix({"", DType::fp4, ScaleLayout::group32}, 2, 64, 1).view),
            2u * 32 + 2 * 2);
  EXPECT_EQ(bytes_of(random_matrix({"", DType::f8_e4m3, ScaleLayout::block128}, 129, 130, 1).view),
            129u * 130 + 4);
}

}  // namespace
}  // namespace hadal
