// A weight matrix exactly as it is stored in a checkpoint: nothing is copied when the stored type
// is used.
#pragma once

#include "base/dtype.h"

#include <cstddef>

namespace hadal {

/// How the scales that stand beside the elements are laid out (deepseek-v4.md 8.1).
enum class ScaleLayout : std::uint8_t {
  none,      ///< plain types, and ggml blocks, whose scales are inside
  block128,  ///< scale[r / 128][c / 128], f8_e8m0 or f32            (F8_E4M3 linears)
  group32,   ///< scale[r][c / 32], f8_e8m0                          (FP4 experts)
};

inline constexpr std::size_t kScaleBlock = 128;  ///< rows and columns under a scale of block128
inline constexpr std::size_t kScaleGroup = 32;   ///< columns under a scale of group32

/// Where the bytes of the rows are.
enum class WeightOrder : std::uint8_t {
  rows,   ///< as stored: row after row
  panels  ///< words of 16 rows side by side (linear/panel_order.h); for linear and moe alone
};

/// W [rows, cols] of y = x W^T: `rows` outputs, `cols` inputs. Non-owning; the checkpoint owns the
/// bytes. Element (r, c) is found in the row that starts at data + r * row_stride. Threads: const,
/// shared freely.
struct MatrixView {
  DType dtype = DType::f32;
  ScaleLayout scale_layout = ScaleLayout::none;
  DType scale_dtype = DType::f8_e8m0;
  WeightOrder order = WeightOrder::rows;
  const std::byte* data = nullptr;
  const std::byte* scale = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t row_stride = 0;    ///< bytes from one row to the next (>= bytes of a row)
  std::size_t scale_stride = 0;  ///< scale elements from one scale row to the next

  bool empty() const noexcept { return data == nullptr; }
};

/// Decodes columns [col_begin, col_end) of row `row` to floats; exact for every stored type (one
/// rounding for f32 scales and for ggml types with minima, base/ggml_blocks.h). Any bounds are
/// allowed, also inside blocks; whole blocks of 256 are the cheapest.
void decode_row(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                std::size_t col_end, float* out) noexcept;

/// Bytes that reading the whole matrix touches, scales included.
std::size_t bytes_of(const MatrixView& matrix) noexcept;

}  // namespace hadal
