#include "engine/kernels/linear/linear.h"

#include <vector>

namespace hadal {

void linear_ref(const LinearArgs& args) noexcept {
  const std::size_t cols = args.weight.cols;
  std::vector<float> w(cols);
  for (std::size_t row = 0; row < args.y.width; ++row) {
    decode_row(args.weight, args.row_begin + row, 0, cols, w.data());
    for (std::size_t t = 0; t < args.x.n; ++t) {
      const float* x = args.x[t];
      double sum = 0.0;
      for (std::size_t c = 0; c < cols; ++c) sum += double{x[c]} * double{w[c]};
      args.y[t][row] = static_cast<float>(sum);
    }
  }
}

}  // namespace hadal
