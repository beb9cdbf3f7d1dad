#pragma once

#include "engine/kernels/simd/exp.h"
#include "engine/kernels/simd/map.h"
#include "engine/kernels/swiglu/swiglu.h"

namespace hadal {
namespace {

inline void swiglu_simd(const SwigluArgs& args) {
  const bool clamp = args.limit > 0.0f;
  const Simd::Vec high = Simd::set1(args.limit);
  const Simd::Vec low = Simd::set1(-args.limit);
  for (std::size_t t = 0; t < args.gate.n; ++t) {
    const float* gate = args.gate[t];
    const float* up = args.up[t];
    float* out = args.out[t];
    for_each_vector(0, args.gate.width, [&](std::size_t i, auto at) {
      Simd::Vec g = at.load(gate + i);
      Simd::Vec u = at.load(up + i);
      if (clamp) {
        g = Simd::min(high, g);  // from above only; a NaN stays
        u = Simd::max(low, Simd::min(high, u));
      }
      at.store(out + i, Simd::mul(silu_simd(g), u));
    });
  }
}

}  // namespace
}  // namespace hadal
