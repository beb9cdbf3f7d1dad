// What this machine can do at most, for the benchmarks: loops that run in registers or only read,
// one thread's share of each.
#pragma once

#include <cstddef>
#include <string_view>

namespace hadal::bench {

/// One instruction at its peak: `run(n)` does n rounds of `ops_per_round` operations (2 per
/// multiply-add). The value it returns only keeps the work from being left out.
struct PeakLoop {
  std::string_view instruction;  ///< for people: "vpdpbusd zmm"
  double (*run)(std::size_t n) = nullptr;
  double ops_per_round = 0;
};

/// For one instruction set. A set without an instruction of its own for int8 or bf16 products gives
/// the sequence that its kernels use instead.
struct Ceilings {
  std::string_view name;  ///< of the CpuKernels variant
  PeakLoop fp32;
  PeakLoop bf16;
  PeakLoop int8;
  /// Reads n floats, n a multiple of 256.
  float (*read)(const float* data, std::size_t n) = nullptr;
};

extern const Ceilings kCeilingsAvx2;
extern const Ceilings kCeilingsAvx512;    ///< int8 without VNNI, bf16 by way of fp32
extern const PeakLoop kInt8Avx512Vnni;    ///< only on CPUs with avx512_vnni
extern const PeakLoop kBf16Avx512Bf16;    ///< only on CPUs with avx512_bf16
extern const Ceilings kCeilingsBaseline;  ///< for any CPU; what the compiler makes of plain loops

/// The best of what this CPU runs, or of what the environment's HADAL_CPU_ISA allows (the same rule
/// as the cpu backend's, so that a share is one of the instructions that were used).
Ceilings ceilings_here() noexcept;

}  // namespace hadal::bench
