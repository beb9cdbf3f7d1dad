// One decoder per stored type: `open` a row, `enter(col)` at each multiple of kGroup, then
// `at(col)` for whole vectors of that group. Exact, as decode_row.
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

/// f32, f16, bf16 without scales: Load is a member of Simd.
template <Simd::Vec (*Load)(const std::byte*), std::size_t ElementBytes>
struct PlainDecoder {
  static constexpr std::size_t kGroup = 512;
  const std::byte* data;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t) {}
  Simd::Vec at(std::size_t col) const { return Load(data + col * ElementBytes); }
};
using F32Decoder = PlainDecoder<Simd::from_f32, 4>;
using F16Decoder = PlainDecoder<Simd::from_f16, 2>;
using Bf16Decoder = PlainDecoder<Simd::from_bf16, 2>;

/// f8_e4m3 with one scale (e8m0 or f32) for 128 columns.
struct E4m3Decoder {
  static constexpr std::size_t kGroup = 128;
  const std::byte* data;
  const std::byte* scales;
  bool float_scales;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) {
    data = row_of(m, row);
    float_scales = m.scale_dtype == DType::f32;
    scales = m.scale + row / 128 * m.scale_stride * (float_scales ? sizeof(float) : 1);
  }
  void enter(std::size_t col) {
    const std::size_t i = col / kGroup;
    float value;
    if (float_scales) {
      std::memcpy(&value, scales + i * sizeof(float), sizeof(float));
    } else {
      value = e8m0_value(scales[i]);
    }
    scale = Simd::set1(value);
  }
  Simd::Vec at(std::size_t col) const { return Simd::mul(Simd::from_e4m3(data + col), scale); }
};

/// fp4 pairs with one e8m0 scale for 32 columns.
struct Fp4Decoder {
  static constexpr std::size_t kGroup = 32;
  const std::byte* data;
  const std::byte* scales;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) {
    data = row_of(m, row);
    scales = m.scale + row * m.scale_stride;
  }
  void enter(std::size_t col) { scale = Simd::set1(e8m0_value(scales[col / kGroup])); }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(Simd::from_fp4_pairs(data + col / 2), scale);
  }
};

struct Q8Decoder {
  static constexpr std::size_t kGroup = 32;
  const std::byte* data;
  const std::byte* block;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t col) {
    block = data + col / kGroup * 34;
    scale = Simd::set1(Simd::float_from_half(block));
  }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(Simd::from_i8(block + 2 + col % kGroup), scale);
  }
};

struct Mxfp4Decoder {
  static constexpr std::size_t kGroup = 32;
  const std::byte* data;
  const std::byte* block;
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }
  void enter(std::size_t col) {
    block = data + col / kGroup * 17;
    scale = Simd::set1(e8m0_value(block[0]));
  }
  Simd::Vec at(std::size_t col) const {
    const bool high = col % kGroup >= 16;
    return Simd::mul(Simd::from_fp4_nibbles(block + 1 + col % 16, high), scale);
  }
};

/// Any other pairing of a type with a scale layout, element by element.
struct AnyDecoder {
  static constexpr std::size_t kGroup = 512;
  const MatrixView* matrix;
  std::size_t row;

  void open(const MatrixView& m, std::size_t r) {
    matrix = &m;
    row = r;
  }
  void enter(std::size_t) {}
  Simd::Vec at(std::size_t col) const {
    float values[Simd::kLanes];
    decode_row(*matrix, row, col, col + Simd::kLanes, values);
    return Simd::load(values);
  }
};

/// The last, partial vector of a row: n < kLanes columns, then zeros.
inline Simd::Vec decode_tail(const MatrixView& matrix, std::size_t row, std::size_t col,
                             std::size_t n) {
  float values[Simd::kLanes] = {};
  decode_row(matrix, row, col, col + n, values);
  return Simd::load(values);
}

/// Calls f.run<Decoder>() with the decoder of this matrix.
template <typename F>
inline void with_decoder(const MatrixView& m, const F& f) {
  if (m.scale_layout == ScaleLayout::none) {
    switch (m.dtype) {
      case DType::f32:
        return f.template run<F32Decoder>();
      case DType::f16:
        return f.template run<F16Decoder>();
      case DType::bf16:
        return f.template run<Bf16Decoder>();
      case DType::q8_0:
        return f.template run<Q8Decoder>();
      case DType::mxfp4:
        return f.template run<Mxfp4Decoder>();
      default:
        break;
    }
  } else if (m.dtype == DType::f8_e4m3 && m.scale_layout == ScaleLayout::block128) {
    return f.template run<E4m3Decoder>();
  } else if (m.dtype == DType::fp4 && m.scale_layout == ScaleLayout::group32 &&
             m.scale_dtype == DType::f8_e8m0) {
    return f.template run<Fp4Decoder>();
  }
  f.template run<AnyDecoder>();
}

}  // namespace
}  // namespace hadal
