#pragma once

#include "engine/kernels/moe/moe_tasks.h"
#include "engine/kernels/simd/map.h"

namespace hadal {
namespace {

inline void combine(const float* const* outputs, const float* weights, std::size_t n,
                    std::size_t begin, std::size_t end, float* y) noexcept {
  for_each_vector(begin, end, [&](std::size_t i, auto at) {
    Simd::Vec sum = Simd::zero();
    for (std::size_t s = 0; s < n; ++s) {
      sum = Simd::fma(Simd::set1(weights[s]), at.load(outputs[s] + i), sum);
    }
    at.store(y + i, sum);
  });
}

constexpr MoeKernels kMoe = {.combine = combine};

}  // namespace
}  // namespace hadal
