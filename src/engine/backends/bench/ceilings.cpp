// Baseline loops, and the choice for this CPU.
#include "engine/backends/bench/ceilings.h"

#include "engine/kernels/cpu_kernels.h"

#include <array>
#include <cstdint>
#include <cstdlib>

namespace hadal::bench {
namespace {

constexpr std::size_t kLanes = 32;  // chains the compiler may turn into vectors of any width

double fp32_rounds(std::size_t n) {
  std::array<float, kLanes> acc{};
  for (std::size_t round = 0; round < n; ++round) {
    for (float& v : acc) v = v * 0.999f + 0.001f;
  }
  float sum = 0.0f;
  for (const float v : acc) sum += v;
  return static_cast<double>(sum);
}

double int8_rounds(std::size_t n) {
  std::array<std::uint32_t, kLanes> acc{};
  for (std::size_t round = 0; round < n; ++round) {
    for (std::uint32_t& v : acc) v = v * 3u + 5u;
  }
  std::uint32_t sum = 0;
  for (const std::uint32_t v : acc) sum += v;
  return static_cast<double>(sum);
}

float read_floats(const float* data, std::size_t n) {
  std::array<float, kLanes> acc{};
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) acc[lane] += data[i + lane];
  }
  float sum = 0.0f;
  for (const float v : acc) sum += v;
  return sum;
}

std::string_view wanted_isa() {
  const char* variable = std::getenv("HADAL_CPU_ISA");
  return variable == nullptr ? "" : variable;
}

}  // namespace

const Ceilings kCeilingsBaseline = {.name = "baseline",
                                    .fp32 = {"plain loop, fp32", fp32_rounds, 2.0 * kLanes},
                                    .bf16 = {"plain loop, fp32", fp32_rounds, 2.0 * kLanes},
                                    .int8 = {"plain loop, int32", int8_rounds, 2.0 * kLanes},
                                    .read = read_floats};

Ceilings ceilings_here() noexcept {
#if defined(__x86_64__)
  for (const CpuKernels& kernels : cpu_kernels()) {
    if (!kernels.runs_here()) continue;
    if (!wanted_isa().empty() && wanted_isa() != kernels.name) continue;
    if (kernels.name == kCeilingsAvx2.name) return kCeilingsAvx2;
    Ceilings best = kCeilingsAvx512;
    if (__builtin_cpu_supports("avx512vnni")) best.int8 = kInt8Avx512Vnni;
    if (__builtin_cpu_supports("avx512bf16")) best.bf16 = kBf16Avx512Bf16;
    return best;
  }
#endif
  return kCeilingsBaseline;
}

}  // namespace hadal::bench
