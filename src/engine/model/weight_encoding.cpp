#include "engine/model/weight_encoding.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "base/float_formats.h"
#include "engine/model/block_quantizers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace hadal {
namespace {

constexpr std::size_t kGroup = 32;
constexpr std::size_t kQ8Bytes = 34;
constexpr std::size_t kMxfp4Bytes = 17;

// The loops below run over billions of weights, so the conversions are written without branches,
// for the vectoriser. Tests compare them with base/float_formats.h.

/// Largest magnitude, NaN ignored, infinities as the largest float. Floats without sign compare as
/// their bits.
float amax_of(const float* x, std::size_t n) noexcept {
  std::int32_t amax = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t bits = std::bit_cast<std::int32_t>(x[i]) & 0x7FFFFFFF;
    amax = std::max(amax, bits > 0x7F800000 ? 0 : bits);
  }
  return std::min(std::bit_cast<float>(amax), std::numeric_limits<float>::max());
}

/// Rounds a value of magnitude at most 448 to e4m3.
std::uint8_t e4m3_code(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t clamped = std::min(magnitude, std::bit_cast<std::uint32_t>(448.0f));
  const std::uint32_t rounded =
      clamped + 0x7FFFFu + ((clamped >> 20) & 1u);             // 20 mantissa bits are dropped
  const std::uint32_t normal = (rounded >> 20) - (120u << 3);  // bias 127 -> 7
  // Below 2^-6 the step is 2^-9, which is the step of floats near 2^14.
  const float shifted = std::bit_cast<float>(clamped) + 16384.0f;
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(16384.0f);
  std::uint32_t code = clamped < std::bit_cast<std::uint32_t>(0x1p-6f) ? subnormal : normal;
  code = magnitude > 0x7F800000u ? 0x7Fu : code;  // NaN
  return static_cast<std::uint8_t>(code | ((bits >> 24) & 0x80u));
}

/// Rounds to e2m1, saturating; a tie goes to the even code. NaN gives 0.
std::uint8_t e2m1_code(float x) noexcept {
  const float m = std::fabs(x);
  const unsigned code = static_cast<unsigned>(m > 0.25f) + static_cast<unsigned>(m >= 0.75f) +
                        static_cast<unsigned>(m > 1.25f) + static_cast<unsigned>(m >= 1.75f) +
                        static_cast<unsigned>(m > 2.5f) + static_cast<unsigned>(m >= 3.5f) +
                        static_cast<unsigned>(m > 5.0f);
  return static_cast<std::uint8_t>(code | ((std::bit_cast<std::uint32_t>(x) >> 28) & 8u));
}

/// 2^(127-e), what to multiply with instead of dividing by the scale; exact for e <= 254.
float inverse_scale(std::uint8_t e) noexcept {
  return std::ldexp(1.0f, 127 - static_cast<int>(e));
}

void encode_fp8(std::span<const float> values, std::size_t cols, std::byte* weight,
                std::byte* scale) noexcept {
  const std::size_t n_rows = values.size() / cols;
  for (std::size_t begin = 0; begin < cols; begin += kScaleBlock) {
    const std::size_t width = std::min(kScaleBlock, cols - begin);
    float amax = 0.0f;
    for (std::size_t row = 0; row < n_rows; ++row)
      amax = std::max(amax, amax_of(&values[row * cols + begin], width));
    const std::uint8_t e = e8m0_scale_for(amax, 448.0f);
    const float inverse = inverse_scale(e);
    scale[begin / kScaleBlock] = std::byte{e};
    for (std::size_t row = 0; row < n_rows; ++row) {
      const float* x = &values[row * cols + begin];
      std::byte* out = weight + row * cols + begin;
      for (std::size_t i = 0; i < width; ++i) out[i] = std::byte{e4m3_code(x[i] * inverse)};
    }
  }
}

/// One group of 32: its codes and its scale.
std::uint8_t encode_group(const float* x, std::array<std::uint8_t, kGroup>& codes) noexcept {
  const std::uint8_t e = e8m0_scale_for(amax_of(x, kGroup), 6.0f);
  const float inverse = inverse_scale(e);
  for (std::size_t i = 0; i < kGroup; ++i) codes[i] = e2m1_code(x[i] * inverse);
  return e;
}

void pack_fp4(const std::array<std::uint8_t, kGroup>& codes, std::byte* out) noexcept {
  for (std::size_t i = 0; i < kGroup / 2; ++i)
    out[i] = static_cast<std::byte>(codes[2 * i] | (codes[2 * i + 1] << 4));
}

void encode_fp4(std::span<const float> values, std::byte* weight, std::byte* scale) noexcept {
  std::array<std::uint8_t, kGroup> codes;
  for (std::size_t group = 0; group < values.size() / kGroup; ++group) {
    scale[group] = std::byte{encode_group(&values[group * kGroup], codes)};
    pack_fp4(codes, weight + group * (kGroup / 2));
  }
}

void pack_mxfp4(const std::array<std::uint8_t, kGroup>& codes, std::uint8_t e,
                std::byte* block) noexcept {
  block[0] = std::byte{e};
  for (std::size_t i = 0; i < kGroup / 2; ++i)
    block[1 + i] = static_cast<std::byte>(codes[i] | (codes[i + kGroup / 2] << 4));
}

void encode_mxfp4(std::span<const float> values, std::byte* weight) noexcept {
  std::array<std::uint8_t, kGroup> codes;
  for (std::size_t group = 0; group < values.size() / kGroup; ++group) {
    const std::uint8_t e = encode_group(&values[group * kGroup], codes);
    pack_mxfp4(codes, e, weight + group * kMxfp4Bytes);
  }
}

/// d = amax / 127, q = round(x / d) with halves away from zero, d stored in f16 (ggml,
/// quantize_row_q8_0).
void encode_q8_0(std::span<const float> values, std::byte* weight) noexcept {
  for (std::size_t group = 0; group < values.size() / kGroup; ++group) {
    const float* x = &values[group * kGroup];
    std::byte* block = weight + group * kQ8Bytes;
    const float d = amax_of(x, kGroup) / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const std::uint16_t half = f16_from_float(d);
    std::memcpy(block, &half, 2);
    for (std::size_t i = 0; i < kGroup; ++i) {
      const float q =
          std::isnan(x[i]) ? 0.0f : std::clamp(std::round(x[i] * inverse), -127.0f, 127.0f);
      block[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
    }
  }
}

void encode_bf16(std::span<const float> values, std::byte* weight) noexcept {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t code = bf16_from_float(values[i]);
    std::memcpy(weight + 2 * i, &code, 2);
  }
}

void encode_f16(std::span<const float> values, std::byte* weight) noexcept {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t code = f16_from_float(values[i]);
    std::memcpy(weight + 2 * i, &code, 2);
  }
}

using Quantizer = void (*)(const float* x, const float* importance, std::byte* block) noexcept;

/// Rows of blocks with searched scales.
void quantize_rows(Quantizer quantize, const DTypeInfo& type, std::span<const float> values,
                   std::size_t cols, const float* importance, std::byte* weight) noexcept {
  for (std::size_t i = 0; i < values.size(); i += type.block_elements, weight += type.block_bytes)
    quantize(&values[i], importance == nullptr ? nullptr : importance + i % cols, weight);
}

void encode_f32_of_bf16(std::span<const float> values, std::byte* weight) noexcept {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float rounded = float_from_bf16(bf16_from_float(values[i]));
    std::memcpy(weight + 4 * i, &rounded, 4);
  }
}

/// The codes and the scale of one group of a row, from either layout of FP4.
std::uint8_t unpack_group(const MatrixView& view, std::size_t row, std::size_t group,
                          std::array<std::uint8_t, kGroup>& codes) noexcept {
  const std::byte* data = view.data + row * view.row_stride;
  if (view.dtype == DType::mxfp4) {
    const std::byte* block = data + group * kMxfp4Bytes;
    for (std::size_t i = 0; i < kGroup / 2; ++i) {
      codes[i] = std::to_integer<std::uint8_t>(block[1 + i]) & 15u;
      codes[i + kGroup / 2] = std::to_integer<std::uint8_t>(block[1 + i]) >> 4;
    }
    return std::to_integer<std::uint8_t>(block[0]);
  }
  for (std::size_t i = 0; i < kGroup / 2; ++i) {
    const auto byte = std::to_integer<std::uint8_t>(data[group * (kGroup / 2) + i]);
    codes[2 * i] = byte & 15u;
    codes[2 * i + 1] = byte >> 4;
  }
  return std::to_integer<std::uint8_t>(view.scale[row * view.scale_stride + group]);
}

void repack_fp4_row(const MatrixView& view, Encoding encoding, std::size_t row, std::byte* weight,
                    std::byte* scale) noexcept {
  std::array<std::uint8_t, kGroup> codes;
  for (std::size_t group = 0; group < view.cols / kGroup; ++group) {
    const std::uint8_t e = unpack_group(view, row, group, codes);
    if (encoding == Encoding::mxfp4) {
      pack_mxfp4(codes, e, weight + group * kMxfp4Bytes);
    } else {
      scale[group] = std::byte{e};
      pack_fp4(codes, weight + group * (kGroup / 2));
    }
  }
}

void copy_block_scales(const MatrixView& view, std::size_t first, std::size_t n,
                       std::byte* scale) noexcept {
  const std::size_t element = bytes_of(view.scale_dtype, 1);
  const std::size_t row_bytes = ceil_div(view.cols, kScaleBlock) * element;
  for (std::size_t row = first / kScaleBlock; row < ceil_div(first + n, kScaleBlock);
       ++row, scale += row_bytes)
    std::memcpy(scale, view.scale + row * view.scale_stride * element, row_bytes);
}

}  // namespace

DType stored_dtype(Encoding encoding) {
  switch (encoding) {
    case Encoding::f32:
    case Encoding::f32_of_bf16:
      return DType::f32;
    case Encoding::bf16:
      return DType::bf16;
    case Encoding::fp8:
      return DType::f8_e4m3;
    case Encoding::fp4:
      return DType::fp4;
    case Encoding::q8_0:
      return DType::q8_0;
    case Encoding::mxfp4:
      return DType::mxfp4;
    case Encoding::f16:
      return DType::f16;
    case Encoding::q4_0:
      return DType::q4_0;
    case Encoding::q4_k:
      return DType::q4_k;
    case Encoding::q5_k:
      return DType::q5_k;
    case Encoding::q6_k:
      return DType::q6_k;
    case Encoding::q2_k:
      return DType::q2_k;
    case Encoding::q3_k:
      return DType::q3_k;
    case Encoding::iq2_xxs:
      return DType::iq2_xxs;
    case Encoding::iq4_xs:
      return DType::iq4_xs;
  }
  return DType::f32;
}

std::string_view name_of(Encoding encoding) {
  if (encoding == Encoding::fp8) return "FP8";
  return info(stored_dtype(encoding)).name;
}

bool can_encode(Encoding encoding) {
  return encoding != Encoding::q2_k && encoding != Encoding::q3_k &&
         encoding != Encoding::iq2_xxs && encoding != Encoding::iq4_xs;
}

bool has_searched_scales(Encoding encoding) {
  return encoding == Encoding::q4_0 || encoding == Encoding::q4_k || encoding == Encoding::q5_k ||
         encoding == Encoding::q6_k;
}

std::optional<Encoding> encoding_that_keeps(DType dtype) {
  for (int e = 0; e <= static_cast<int>(Encoding::iq4_xs); ++e) {
    const auto encoding = static_cast<Encoding>(e);
    if (stored_dtype(encoding) == dtype) return encoding;  // f32 comes before f32_of_bf16
  }
  return std::nullopt;
}

std::size_t block_columns(Encoding encoding) {
  if (encoding == Encoding::fp4) return kGroup;
  return info(stored_dtype(encoding)).block_elements;
}

std::size_t encoded_row_bytes(Encoding encoding, std::size_t cols) {
  if (encoding == Encoding::fp4) return cols / 2;
  return bytes_of(stored_dtype(encoding), cols);
}

bool has_scales_beside(Encoding encoding) {
  return encoding == Encoding::fp8 || encoding == Encoding::fp4;
}

std::size_t n_scales(Encoding encoding, std::size_t rows, std::size_t cols) {
  if (encoding == Encoding::fp8) return ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock);
  if (encoding == Encoding::fp4) return rows * (cols / kGroup);
  return 0;
}

void encode_rows(Encoding encoding, std::span<const float> values, std::size_t cols,
                 std::byte* weight, std::byte* scale, const float* importance) noexcept {
  const auto quantized = [&](Quantizer quantize) {
    quantize_rows(quantize, info(stored_dtype(encoding)), values, cols, importance, weight);
  };
  switch (encoding) {
    case Encoding::f32:
      std::memcpy(weight, values.data(), values.size_bytes());
      return;
    case Encoding::f32_of_bf16:
      return encode_f32_of_bf16(values, weight);
    case Encoding::bf16:
      return encode_bf16(values, weight);
    case Encoding::f16:
      return encode_f16(values, weight);
    case Encoding::fp8:
      return encode_fp8(values, cols, weight, scale);
    case Encoding::fp4:
      return encode_fp4(values, weight, scale);
    case Encoding::q8_0:
      return encode_q8_0(values, weight);
    case Encoding::mxfp4:
      return encode_mxfp4(values, weight);
    case Encoding::q4_0:
      return quantized(quantize_q4_0);
    case Encoding::q4_k:
      return quantized(quantize_q4_k);
    case Encoding::q5_k:
      return quantized(quantize_q5_k);
    case Encoding::q6_k:
      return quantized(quantize_q6_k);
    case Encoding::q2_k:
    case Encoding::q3_k:
    case Encoding::iq2_xxs:
    case Encoding::iq4_xs:
      break;
  }
  HADAL_CHECK(false, "only types with a quantiser can be encoded");
}

bool is_stored_as(const MatrixView& view, Encoding encoding) {
  if (encoding == Encoding::fp4 || encoding == Encoding::mxfp4)
    return view.dtype == DType::fp4 || view.dtype == DType::mxfp4;
  if (encoding == Encoding::f32_of_bf16) return false;
  return view.dtype == stored_dtype(encoding);
}

void repack_rows(const MatrixView& view, Encoding encoding, std::size_t first, std::size_t n,
                 std::byte* weight, std::byte* scale) noexcept {
  HADAL_CHECK(is_stored_as(view, encoding), "only views that hold the encoding can be repacked");
  const std::size_t row_bytes = encoded_row_bytes(encoding, view.cols);
  const bool is_fp4 =
      encoding == Encoding::fp4 || (encoding == Encoding::mxfp4 && view.dtype == DType::fp4);
  for (std::size_t row = first; row < first + n; ++row, weight += row_bytes) {
    if (is_fp4) {
      repack_fp4_row(view, encoding, row, weight, scale);
      if (scale != nullptr) scale += view.cols / kGroup;
    } else {
      std::memcpy(weight, view.data + row * view.row_stride, row_bytes);
    }
  }
  if (encoding == Encoding::fp8) copy_block_scales(view, first, n, scale);
}

}  // namespace hadal
