// exp_simd of each variant over an array, for its test.
#pragma once

#include <cstddef>

namespace hadal::testing {

void exp_avx2(const float* x, std::size_t n, float* out);
void exp_avx512(const float* x, std::size_t n, float* out);

}  // namespace hadal::testing
