// From floats to the types that checkpoints store (product.md section 2, deepseek-v4.md 8.1
// and 9.2).
#pragma once

#include "base/dtype.h"
#include "engine/kernels/matrix_view.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace hadal {

/// How a weight is written. All rounding is to nearest, ties to even, but for q8_0, which rounds as
/// ggml does, and for q4_0 to q6_k, whose scales are searched (block_quantizers.h).
enum class Encoding : std::uint8_t {
  f32,
  f32_of_bf16,  ///< rounded to bf16, stored in f32
  bf16,
  fp8,    ///< f8_e4m3; a power-of-two scale per 128 x 128 block, beside the elements
  fp4,    ///< two e2m1 per byte; a power-of-two scale per 32 columns, beside the elements
  q8_0,   ///< ggml: 32 x i8, scale amax / 127 in f16
  mxfp4,  ///< ggml: the values of fp4, scales inside
  f16,
  q4_0,
  q4_k,
  q5_k,
  q6_k,
  q2_k,  ///< this one and the rest only as copies of bytes
  q3_k,
  iq2_xxs,
  iq4_xs,
};

std::string_view name_of(Encoding encoding);

/// False for the types that are only copied.
bool can_encode(Encoding encoding);
/// True for the types whose quantisers take an importance of columns.
bool has_searched_scales(Encoding encoding);
/// The encoding that keeps the bytes of a weight of this type; nothing for types of tables.
std::optional<Encoding> encoding_that_keeps(DType dtype);

/// Columns must be a multiple of this (1 for fp8, whose last blocks may be partial).
std::size_t block_columns(Encoding encoding);
/// Type of the elements in the file. fp4: DType::fp4 (safetensors declares its bytes as i8).
DType stored_dtype(Encoding encoding);
/// Bytes of one row of elements, scales beside not counted.
std::size_t encoded_row_bytes(Encoding encoding, std::size_t cols);
bool has_scales_beside(Encoding encoding);
/// Number of scales beside `rows` rows; 0 when there are none.
std::size_t n_scales(Encoding encoding, std::size_t rows, std::size_t cols);

/// Rows that one call of encode_rows may take and that share scales.
inline constexpr std::size_t kEncodingRows = 128;

/// Encodes rows [n_rows, cols], n_rows <= 128, starting at a multiple of 128 of the matrix (for
/// fp8). `weight`: encoded_row_bytes * n_rows; `scale`: one e8m0 byte for each of n_scales(n_rows).
/// NaN becomes the type's NaN, or 0 in types without one; infinities saturate. `importance`: one
/// weight per column for the types with searched scales, or nullptr; other types ignore it.
/// Precondition: can_encode.
void encode_rows(Encoding encoding, std::span<const float> values, std::size_t cols,
                 std::byte* weight, std::byte* scale, const float* importance = nullptr) noexcept;

/// True when `view` already holds what `encoding` writes, so that bytes can be copied or nibbles
/// re-ordered without loss.
bool is_stored_as(const MatrixView& view, Encoding encoding);
/// Rows [first, first + n) of such a view in the layout of `encoding`; `first` is a multiple of
/// 128. `scale` gets the scales in the view's own type (f32 scales of FP8 stay f32): n_scales(n)
/// elements.
void repack_rows(const MatrixView& view, Encoding encoding, std::size_t first, std::size_t n,
                 std::byte* weight, std::byte* scale) noexcept;

}  // namespace hadal
