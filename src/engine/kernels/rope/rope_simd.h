#pragma once

#include "engine/kernels/rope/rope.h"
#include "engine/kernels/simd/map.h"

#include <math.h>

namespace hadal {
namespace {

constexpr std::size_t kRopePairs = 64;  ///< pairs per pass; their cos and sin lie on the stack

/// Interleaved pairs: (cos, cos) and (-sin, sin) of each, so that x' = x cos + swapped(x) sin.
struct InterleavedRope {
  alignas(64) float cos[2 * kRopePairs];
  alignas(64) float sin[2 * kRopePairs];

  void fill(float position, const float* freq, std::size_t n_pairs, RopeDirection direction) {
    for (std::size_t i = 0; i < n_pairs; ++i) {
      const float angle = position * freq[i];  // single precision, as rope_ref
      const float c = cosf(angle);
      const float s = direction == RopeDirection::forward ? sinf(angle) : -sinf(angle);
      cos[2 * i] = cos[2 * i + 1] = c;
      sin[2 * i] = -s;
      sin[2 * i + 1] = s;
    }
  }

  void rotate(float* x, std::size_t n_pairs) const {
    for_each_vector(0, 2 * n_pairs, [&](std::size_t i, auto at) {
      const Simd::Vec v = at.load(x + i);
      const Simd::Vec crossed = Simd::mul(Simd::swap_pairs(v), at.load(sin + i));
      at.store(x + i, Simd::fma(v, at.load(cos + i), crossed));
    });
  }
};

/// Pairs of the channels i and i + apart.
struct HalvesRope {
  std::size_t apart;
  alignas(64) float cos[kRopePairs];
  alignas(64) float sin[kRopePairs];

  void fill(float position, const float* freq, std::size_t n_pairs, RopeDirection direction) {
    for (std::size_t i = 0; i < n_pairs; ++i) {
      const float angle = position * freq[i];  // single precision, as rope_ref
      cos[i] = cosf(angle);
      sin[i] = direction == RopeDirection::forward ? sinf(angle) : -sinf(angle);
    }
  }

  void rotate(float* x, std::size_t n_pairs) const {
    for_each_vector(0, n_pairs, [&](std::size_t i, auto at) {
      const Simd::Vec a = at.load(x + i);
      const Simd::Vec b = at.load(x + apart + i);
      const Simd::Vec c = at.load(cos + i);
      const Simd::Vec s = at.load(sin + i);
      at.store(x + i, Simd::fma(a, c, Simd::mul(b, Simd::sub(Simd::zero(), s))));
      at.store(x + apart + i, Simd::fma(b, c, Simd::mul(a, s)));
    });
  }
};

/// @param step  channels from pair to pair
template <typename Table>
inline void rope_with(const RopeArgs& args, std::size_t step, Table& table) {
  const std::size_t n_pairs = args.freq.size();
  const std::size_t first = args.head_dim - 2 * n_pairs;
  for (std::size_t t = 0; t < args.x.n; ++t) {
    const auto position = static_cast<float>(args.positions.data()[t]);
    for (std::size_t begin = 0; begin < n_pairs; begin += kRopePairs) {
      const std::size_t n = n_pairs - begin < kRopePairs ? n_pairs - begin : kRopePairs;
      table.fill(position, args.freq.data() + begin, n, args.direction);
      for (std::size_t head = 0; head < args.n_heads; ++head) {
        table.rotate(args.x[t] + head * args.head_dim + first + step * begin, n);
      }
    }
  }
}

inline void rope_simd(const RopeArgs& args) {
  if (args.pairs == RopePairs::interleaved) {
    InterleavedRope table;
    rope_with(args, 2, table);
  } else {
    HalvesRope table;
    table.apart = args.freq.size();
    rope_with(args, 1, table);
  }
}

}  // namespace
}  // namespace hadal
