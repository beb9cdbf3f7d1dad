#include "engine/kernels/swiglu/swiglu.h"

#include <algorithm>
#include <cmath>

namespace hadal {

void swiglu_ref(const SwigluArgs& args) noexcept {
  const bool clamp = args.limit > 0.0f;
  const double limit = args.limit;
  for (std::size_t t = 0; t < args.gate.n; ++t) {
    for (std::size_t i = 0; i < args.gate.width; ++i) {
      double gate = args.gate[t][i];
      double up = args.up[t][i];
      if (clamp) {
        gate = std::min(gate, limit);  // from above only
        up = std::clamp(up, -limit, limit);
      }
      args.out[t][i] = static_cast<float>(gate / (1.0 + std::exp(-gate)) * up);
    }
  }
}

}  // namespace hadal
