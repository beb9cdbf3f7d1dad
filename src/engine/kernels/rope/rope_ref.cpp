#include "engine/kernels/rope/rope.h"

#include <cmath>

namespace hadal {

// The angle is rounded to single precision on purpose: the reference model forms it so
// (deepseek-v4.md 13.9), and at a position near 10^6 a more precise product would differ from it.
void rope_ref(const RopeArgs& args) noexcept {
  const float sign = args.direction == RopeDirection::forward ? 1.0f : -1.0f;
  const bool halves = args.pairs == RopePairs::halves;
  const std::size_t step = halves ? 1 : 2;  // from pair to pair
  const std::size_t apart = halves ? args.freq.size() : 1;
  const std::size_t first = args.head_dim - 2 * args.freq.size();  // rope covers the last channels
  for (std::size_t t = 0; t < args.x.n; ++t) {
    for (std::size_t i = 0; i < args.freq.size(); ++i) {
      const float angle = static_cast<float>(args.positions[t]) * args.freq[i];
      const double cos = std::cos(angle);
      const double sin = sign * std::sin(angle);
      for (std::size_t head = 0; head < args.n_heads; ++head) {
        float* pair = args.x[t] + head * args.head_dim + first + step * i;
        const double a = pair[0];
        const double b = pair[apart];
        pair[0] = static_cast<float>(a * cos - b * sin);
        pair[apart] = static_cast<float>(a * sin + b * cos);
      }
    }
  }
}

}  // namespace hadal
