// What one thread computes of a linear: a range of output rows, for one token straight from the
// stored weights or for a block of packed tokens. Same bits either way (simd/dot.h).
#pragma once

#include "engine/kernels/linear/linear.h"

namespace hadal {

/// y[r] = W[r] . x for r in [row_begin, row_end); x [W.cols], y points at output 0.
/// Memory-bound: reads each weight once, decodes it in registers.
struct LinearOneTask {
  const MatrixView* weight;
  std::size_t row_begin;
  std::size_t row_end;
  const float* x;
  float* y;
};

/// y[t][r] = W[r] . x[t] for r in [row_begin, row_end) and n_tokens packed tokens that start at a
/// tile. Arithmetic-bound from about 8 tokens on (linear_tile.h).
struct LinearPackedTask {
  const MatrixView* weight;
  std::size_t row_begin;
  std::size_t row_end;
  const float* packed;  ///< of the first tile
  std::size_t n_tokens;
  float* y;  ///< output 0 of the first token
  std::size_t y_stride;
};

/// packed <- rows[i][0 .. cols), i < n, in the tile layout of linear_tile.h (floats) or of
/// int8_layout.h; n * packed_floats(cols) floats.
using PackTokens = void (*)(const float* const* rows, std::size_t n, std::size_t cols,
                            float* packed) noexcept;
/// As decode_row, with col_begin a multiple of 128.
using DecodeColumns = void (*)(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                               std::size_t col_end, float* out) noexcept;

/// One way to multiply.
struct LinearKernels {
  std::size_t token_tile;                                   ///< tokens per tile
  std::size_t row_tile;                                     ///< rows that are computed together
  std::size_t (*packed_floats)(std::size_t cols) noexcept;  ///< of one packed token
  PackTokens pack_tokens;
  void (*one)(const LinearOneTask& task) noexcept;  ///< nullptr: single tokens are packed too
  void (*packed)(const LinearPackedTask& task) noexcept;
};

extern const LinearKernels kLinearAvx2;  ///< exact weights, float32 products
extern const LinearKernels kLinearAvx512;
extern const LinearKernels kInt8Avx2;  ///< int8_layout.h, weights for which has_int8_product holds
extern const LinearKernels kInt8Avx512;
extern const LinearKernels kInt8Amx;  ///< AVX-512 and AMX-INT8; the bits of kInt8Avx512

void decode_columns_avx2(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                         std::size_t col_end, float* out) noexcept;
void decode_columns_avx512(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                           std::size_t col_end, float* out) noexcept;

}  // namespace hadal
