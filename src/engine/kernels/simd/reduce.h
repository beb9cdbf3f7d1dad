// Sums and maxima over one row in an order that the row's length alone decides.
#pragma once

#include "engine/kernels/simd/simd.h"

#include <cstddef>

namespace hadal {
namespace {

/// sum x[i]^2: four interleaved vectors of lane sums, added pairwise at the end.
inline float sum_of_squares_simd(const float* x, std::size_t n) {
  constexpr std::size_t kLanes = Simd::kLanes;
  Simd::Vec acc[4] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    HADAL_UNROLL
    for (std::size_t a = 0; a < 4; ++a) {
      const Simd::Vec v = Simd::load(x + i + a * kLanes);
      acc[a] = Simd::fma(v, v, acc[a]);
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    const Simd::Vec v = Simd::load(x + i);
    acc[0] = Simd::fma(v, v, acc[0]);
  }
  if (i < n) {
    const Simd::Vec v = Simd::load_partial(x + i, n - i);
    acc[1] = Simd::fma(v, v, acc[1]);
  }
  return Simd::sum(Simd::add(Simd::add(acc[0], acc[1]), Simd::add(acc[2], acc[3])));
}

}  // namespace
}  // namespace hadal
