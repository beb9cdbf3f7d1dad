// y[t][r] = sum_c x[t][c] W[r][c]                       every linear layer of V4; none has a bias
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/kernels/rows.h"

namespace hadal {

/// The reduction order of an output element depends on W.cols and the instruction set alone, never
/// on the number of rows, tokens or threads (promise 2): any batch gives the bits of single tokens.
struct LinearArgs {
  Rows<const float> x;  ///< [n_tokens, W.cols]
  MatrixView weight;    ///< any stored dtype; decoded exactly, accumulated in float32 (ref: double)
  Rows<float> y;  ///< [n_tokens, n_rows]; disjoint from x. Column r of y is row row_begin + r of W
  std::size_t row_begin =
      0;  ///< first row of W to multiply; rows [row_begin, row_begin + y.width) (one group of wo_a)
};

void linear_ref(const LinearArgs& args) noexcept;

}  // namespace hadal
