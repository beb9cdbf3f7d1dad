#include "engine/kernels/compressor/compressor.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hadal {

void compressor_pool_ref(const CompressorPoolArgs& args) noexcept {
  for (std::size_t w = 0; w < args.out.n; ++w) {
    const auto values = args.values.subspan(w * args.n_slots, args.n_slots);
    const auto gates = args.gates.subspan(w * args.n_slots, args.n_slots);
    for (std::size_t i = 0; i < args.out.width; ++i) {
      double max = -std::numeric_limits<double>::infinity();
      for (const float* gate : gates) {
        if (gate != nullptr) max = std::max(max, double{gate[i]});
      }
      double sum = 0.0;
      double pooled = 0.0;
      for (std::size_t s = 0; s < args.n_slots; ++s) {
        if (gates[s] == nullptr) continue;  // no such token: weight 0
        const double weight = std::exp(double{gates[s][i]} - max);
        sum += weight;
        pooled += weight * double{values[s][i]};
      }
      args.out[w][i] = static_cast<float>(pooled / sum);
    }
  }
}

}  // namespace hadal
