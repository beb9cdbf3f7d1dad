// What this machine can do at most, for the benchmarks: one thread's share of each.
#pragma once

#include <cstddef>

namespace hadal::bench {

struct Ceilings {
  const char* name;              ///< of the CpuKernels variant
  double (*fma)(std::size_t n);  ///< does n rounds of kFmaFlops flops in registers
  double fma_flops;              ///< per round
  float (*read)(const float* data, std::size_t n);  ///< reads n floats, n a multiple of 256
};

extern const Ceilings kCeilingsAvx2;
extern const Ceilings kCeilingsAvx512;

}  // namespace hadal::bench
