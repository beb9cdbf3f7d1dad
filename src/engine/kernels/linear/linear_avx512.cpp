#include "engine/kernels/linear/linear_simd.h"

namespace hadal {

const LinearKernels kLinearAvx512 = kLinear;

void decode_columns_avx512(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                           std::size_t col_end, float* out) noexcept {
  decode_columns(matrix, row, col_begin, col_end, out);
}

}  // namespace hadal
