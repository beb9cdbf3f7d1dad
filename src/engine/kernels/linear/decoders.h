// One decoder per stored type (those of ggml's blocks: block_decoders.h): `open` a row, `enter(col,
// end)` at each multiple of kGroup, then `at(col)` for whole vectors up to `end`. Exact, as
// decode_row. kLineColumns: columns in a cache line, 0 for types whose lines are not asked for
// ahead; kBuffered: whether the columns of a task are decoded once for all of its tokens, not
// beside the products of each tile.
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/kernels/simd/simd.h"

#include <cstdint>
#include <cstring>

namespace hadal {
namespace {

inline float e8m0_value(std::byte code) {
  const auto e = static_cast<std::uint32_t>(code);
  const std::uint32_t bits = e == 0 ? 0x00400000u : e == 255 ? 0x7FC00000u : e << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline const std::byte* row_of(const MatrixView& m, std::size_t row) {
  return m.data + row * m.row_stride;
}

enum class Buffered : std::uint8_t { never, for_many_tokens, always };

/// f32, f16, bf16 without scales: Load is a member of Simd.
template <Simd::Vec (*Load)(const std::byte*), std::size_t ElementBytes>
struct PlainDecoder {
  static constexpr std::size_t kGroup = 512;
  static constexpr std::size_t kLineColumns = 64 / ElementBytes;
  static constexpr Buffered kBuffered = Buffered::never;
  const std::byte* data;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t, std::size_t) {}
  Simd::Vec at(std::size_t col) const { return Load(data + col * ElementBytes); }
};
using F32Decoder = PlainDecoder<Simd::from_f32, 4>;
using F16Decoder = PlainDecoder<Simd::from_f16, 2>;
using Bf16Decoder = PlainDecoder<Simd::from_bf16, 2>;

/// Scales of an E4m3Decoder are below: 2^8 times this is finite.
constexpr float kE4m3ScaleLimit = 0x1p119f;

inline float e4m3_scale(const std::byte* scales, bool float_scales, std::size_t i) {
  if (!float_scales) return e8m0_value(scales[i]);
  float value;
  std::memcpy(&value, scales + i * sizeof(float), sizeof(value));
  return value;
}

/// f8_e4m3 with one scale (e8m0 or f32) for 128 columns, all scales below kE4m3ScaleLimit. NaN
/// codes decode to finite values: users must look for them with has_nan.
struct E4m3Decoder {
  static constexpr std::size_t kGroup = 128;
  static constexpr std::size_t kLineColumns = 64;
  static constexpr Buffered kBuffered = Buffered::for_many_tokens;
  const std::byte* data;
  const std::byte* scales;
  bool float_scales;
  Simd::Vec scale;  ///< 2^8 times the stored one

  void open(const MatrixView& m, std::size_t row) {
    data = row_of(m, row);
    float_scales = m.scale_dtype == DType::f32;
    scales = m.scale + row / 128 * m.scale_stride * (float_scales ? sizeof(float) : 1);
  }
  void enter(std::size_t col, std::size_t) {
    scale = Simd::set1(e4m3_scale(scales, float_scales, col / kGroup) * 0x1p8f);
  }
  Simd::Codes with_codes(Simd::Codes seen, std::size_t col, std::size_t end) const {
    return Simd::with_codes(seen, data + col, end - col);
  }
  bool has_nan(std::size_t col, std::size_t end) const {
    return Simd::has_nan(with_codes(Simd::no_codes(), col, end));
  }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(Simd::small_from_e4m3(data + col), scale);
  }
};

inline bool has_small_scales(const MatrixView& m, std::size_t row_begin, std::size_t row_end) {
  const bool float_scales = m.scale_dtype == DType::f32;
  const std::size_t stride = m.scale_stride * (float_scales ? sizeof(float) : 1);
  bool small = true;
  for (std::size_t row = row_begin / 128; row * 128 < row_end; ++row)
    for (std::size_t i = 0; i * 128 < m.cols; ++i)
      small = small && e4m3_scale(m.scale + row * stride, float_scales, i) < kE4m3ScaleLimit;
  return small;
}

/// fp4 pairs with one e8m0 scale for 32 columns.
struct Fp4Decoder {
  static constexpr std::size_t kGroup = 32;
  static constexpr std::size_t kLineColumns = 0;
  static constexpr Buffered kBuffered = Buffered::always;
  const std::byte* data;
  const std::byte* scales;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) {
    data = row_of(m, row);
    scales = m.scale + row * m.scale_stride;
  }
  void enter(std::size_t col, std::size_t) { scale = Simd::set1(e8m0_value(scales[col / kGroup])); }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(Simd::from_fp4_pairs(data + col / 2), scale);
  }
};

struct Q8Decoder {
  static constexpr std::size_t kGroup = 32;
  static constexpr std::size_t kLineColumns = 0;
  static constexpr Buffered kBuffered = Buffered::always;
  const std::byte* data;
  const std::byte* block;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t col, std::size_t) {
    block = data + col / kGroup * 34;
    scale = Simd::set1(Simd::float_from_half(block));
  }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(Simd::from_i8(block + 2 + col % kGroup), scale);
  }
};

struct Mxfp4Decoder {
  static constexpr std::size_t kGroup = 32;
  static constexpr std::size_t kLineColumns = 0;
  static constexpr Buffered kBuffered = Buffered::always;
  const std::byte* data;
  const std::byte* block;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t col, std::size_t) {
    block = data + col / kGroup * 17;
    scale = Simd::set1(e8m0_value(block[0]));
  }
  Simd::Vec at(std::size_t col) const {
    const bool high = col % kGroup >= 16;
    return Simd::mul(Simd::from_fp4_nibbles(block + 1 + col % 16, high), scale);
  }
};

/// The last, partial vector of a row: n < kLanes columns, then zeros.
inline Simd::Vec decode_tail(const MatrixView& matrix, std::size_t row, std::size_t col,
                             std::size_t n) {
  float values[Simd::kLanes] = {};
  decode_row(matrix, row, col, col + n, values);
  return Simd::load(values);
}

}  // namespace
}  // namespace hadal
