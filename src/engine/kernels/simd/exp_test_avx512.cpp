#include "engine/kernels/simd/exp.h"
#include "engine/kernels/simd/exp_variants.h"
#include "engine/kernels/simd/map.h"

namespace hadal::testing {

void exp_avx512(const float* x, std::size_t n, float* out) {
  for_each_vector(0, n,
                  [&](std::size_t i, auto at) { at.store(out + i, exp_simd(at.load(x + i))); });
}

}  // namespace hadal::testing
