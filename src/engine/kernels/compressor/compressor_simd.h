#pragma once

#include "engine/kernels/compressor/compressor.h"
#include "engine/kernels/simd/exp.h"
#include "engine/kernels/simd/map.h"

namespace hadal {
namespace {

/// One vector of channels over the slots of a window; slots in ascending order.
template <typename Access>
inline Simd::Vec pool_slots(const float* const* values, const float* const* gates,
                            std::size_t n_slots, std::size_t i, Access at) {
  Simd::Vec max = Simd::set1(-__builtin_inff());
  for (std::size_t s = 0; s < n_slots; ++s) {
    if (gates[s] != nullptr) max = Simd::max(max, at.load(gates[s] + i));
  }
  Simd::Vec sum = Simd::zero();
  Simd::Vec pooled = Simd::zero();
  for (std::size_t s = 0; s < n_slots; ++s) {
    if (gates[s] == nullptr) continue;  // no such token: weight 0
    const Simd::Vec weight = exp_simd(Simd::sub(at.load(gates[s] + i), max));
    sum = Simd::add(sum, weight);
    pooled = Simd::fma(weight, at.load(values[s] + i), pooled);
  }
  return Simd::div(pooled, sum);
}

inline void compressor_pool_simd(const CompressorPoolArgs& args) {
  for (std::size_t w = 0; w < args.out.n; ++w) {
    const float* const* values = args.values.data() + w * args.n_slots;
    const float* const* gates = args.gates.data() + w * args.n_slots;
    float* out = args.out[w];
    for_each_vector(0, args.out.width, [&](std::size_t i, auto at) {
      at.store(out + i, pool_slots(values, gates, args.n_slots, i, at));
    });
  }
}

}  // namespace
}  // namespace hadal
