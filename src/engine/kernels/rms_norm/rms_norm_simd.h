#pragma once

#include "engine/kernels/rms_norm/rms_norm.h"
#include "engine/kernels/simd/map.h"
#include "engine/kernels/simd/reduce.h"

#include <math.h>

namespace hadal {
namespace {

inline void rms_norm_simd(const RmsNormArgs& args) {
  const std::size_t width = args.x.width;
  const float* weight = args.weight.empty() ? nullptr : args.weight.data();
  for (std::size_t t = 0; t < args.x.n; ++t) {
    const float* x = args.x[t];
    float* out = args.out[t];
    const double mean = double{sum_of_squares_simd(x, width)} / static_cast<double>(width);
    const Simd::Vec factor = Simd::set1(static_cast<float>(1.0 / sqrt(mean + double{args.eps})));
    for_each_vector(0, width, [&](std::size_t i, auto at) {
      Simd::Vec v = Simd::mul(at.load(x + i), factor);
      if (weight != nullptr) v = Simd::mul(v, at.load(weight + i));
      at.store(out + i, v);
    });
  }
}

}  // namespace
}  // namespace hadal
