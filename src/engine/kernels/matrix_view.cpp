#include "engine/kernels/matrix_view.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "base/float_formats.h"
#include "base/ggml_blocks.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace hadal {
namespace {

template <typename T>
T load(const std::byte* data, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

float scale_of(const MatrixView& matrix, std::size_t row, std::size_t col) noexcept {
  std::size_t index = 0;
  switch (matrix.scale_layout) {
    case ScaleLayout::none:
      return 1.0f;
    case ScaleLayout::block128:
      index = row / kScaleBlock * matrix.scale_stride + col / kScaleBlock;
      break;
    case ScaleLayout::group32:
      index = row * matrix.scale_stride + col / kScaleGroup;
      break;
  }
  if (matrix.scale_dtype == DType::f32) return load<float>(matrix.scale, index);
  HADAL_CHECK(matrix.scale_dtype == DType::f8_e8m0, "scales are f8_e8m0 or f32");
  return float_from_e8m0(load<std::uint8_t>(matrix.scale, index));
}

/// The element as stored, before a scale that stands beside the matrix.
float decode_element(DType dtype, const std::byte* row, std::size_t col) noexcept {
  switch (dtype) {
    case DType::f32:
      return load<float>(row, col);
    case DType::f16:
      return float_from_f16(load<std::uint16_t>(row, col));
    case DType::bf16:
      return float_from_bf16(load<std::uint16_t>(row, col));
    case DType::f8_e4m3:
      return float_from_e4m3(load<std::uint8_t>(row, col));
    case DType::fp4: {
      const auto byte = load<std::uint8_t>(row, col / 2);
      return kFp4Values[col % 2 == 0 ? byte & 15u : static_cast<unsigned>(byte >> 4)];
    }
    default:
      break;
  }
  HADAL_CHECK(false, "this type is not a weight type; the checkpoint has to refuse it");
  return 0.0f;
}

/// Columns [begin, end) of a row of ggml blocks.
void decode_blocks(DType dtype, const std::byte* row, std::size_t begin, std::size_t end,
                   float* out) noexcept {
  const DTypeInfo& type = info(dtype);
  for (std::size_t col = begin; col < end;) {
    const std::byte* block = row + col / type.block_elements * type.block_bytes;
    const std::size_t in_block = col % type.block_elements;
    if (in_block == 0 && end - col >= type.block_elements) {
      decode_block(dtype, block, out);
      out += type.block_elements;
      col += type.block_elements;
      continue;
    }
    float group[kGgmlGroup];
    decode_group(dtype, block, in_block / kGgmlGroup, group);
    const std::size_t skip = in_block % kGgmlGroup;
    const std::size_t n = std::min(kGgmlGroup - skip, end - col);
    std::copy_n(group + skip, n, out);
    out += n;
    col += n;
  }
}

std::size_t row_bytes(DType dtype, std::size_t cols) noexcept {
  if (dtype == DType::fp4) return (cols + 1) / 2;
  const DTypeInfo& type = info(dtype);
  return ceil_div(cols, type.block_elements) * type.block_bytes;
}

std::size_t scale_bytes(const MatrixView& matrix) noexcept {
  const std::size_t bytes = matrix.scale_dtype == DType::f32 ? 4 : 1;
  switch (matrix.scale_layout) {
    case ScaleLayout::none:
      return 0;
    case ScaleLayout::block128:
      return ceil_div(matrix.rows, kScaleBlock) * ceil_div(matrix.cols, kScaleBlock) * bytes;
    case ScaleLayout::group32:
      return matrix.rows * ceil_div(matrix.cols, kScaleGroup) * bytes;
  }
  return 0;
}

}  // namespace

void decode_row(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                std::size_t col_end, float* out) noexcept {
  const std::byte* data = matrix.data + row * matrix.row_stride;
  if (is_ggml_block(matrix.dtype))
    return decode_blocks(matrix.dtype, data, col_begin, col_end, out);
  for (std::size_t col = col_begin; col < col_end; ++col) {
    const float value = decode_element(matrix.dtype, data, col);
    *out++ = matrix.scale_layout == ScaleLayout::none ? value : value * scale_of(matrix, row, col);
  }
}

std::size_t bytes_of(const MatrixView& matrix) noexcept {
  if (matrix.empty()) return 0;
  return matrix.rows * row_bytes(matrix.dtype, matrix.cols) + scale_bytes(matrix);
}

}  // namespace hadal
