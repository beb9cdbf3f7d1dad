// What the reference kernels of attention share.
#pragma once

#include <cstddef>

namespace hadal {

/// Summed in double, in order: the value that faster kernels are measured against.
inline double reference_dot(const float* a, const float* b, std::size_t n) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace hadal
