#include "engine/kernels/rms_norm/rms_norm.h"

#include <cmath>

namespace hadal {

void rms_norm_ref(const RmsNormArgs& args) noexcept {
  for (std::size_t t = 0; t < args.x.n; ++t) {
    const float* x = args.x[t];
    double sum = 0.0;
    for (std::size_t i = 0; i < args.x.width; ++i) sum += double{x[i]} * double{x[i]};
    const double mean = sum / static_cast<double>(args.x.width);
    const double factor = 1.0 / std::sqrt(mean + double{args.eps});
    for (std::size_t i = 0; i < args.x.width; ++i) {
      const double weight = args.weight.empty() ? 1.0 : double{args.weight[i]};
      args.out[t][i] = static_cast<float>(double{x[i]} * factor * weight);
    }
  }
}

}  // namespace hadal
