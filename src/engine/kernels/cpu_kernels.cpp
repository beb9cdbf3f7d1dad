#include "engine/kernels/cpu_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hadal {

#if defined(__x86_64__)

namespace {

bool has_f16c() noexcept {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() noexcept {  // the builtin also asks the operating system
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

const CpuKernels kVariants[] = {{.name = "avx512",
                                 .runs_here = has_avx512,
                                 .linear = &kLinearAvx512,
                                 .int8_linear = &kInt8Avx512,
                                 .decode_columns = decode_columns_avx512,
                                 .attention = &kAttentionAvx512,
                                 .indexer = &kIndexerAvx512,
                                 .hyper_connection = &kHyperConnectionAvx512,
                                 .moe = &kMoeAvx512,
                                 .rms_norm = rms_norm_avx512,
                                 .rope = rope_avx512,
                                 .swiglu = swiglu_avx512,
                                 .compressor_pool = compressor_pool_avx512},
                                {.name = "avx2",
                                 .runs_here = has_avx2,
                                 .linear = &kLinearAvx2,
                                 .int8_linear = &kInt8Avx2,
                                 .decode_columns = decode_columns_avx2,
                                 .attention = &kAttentionAvx2,
                                 .indexer = &kIndexerAvx2,
                                 .hyper_connection = &kHyperConnectionAvx2,
                                 .moe = &kMoeAvx2,
                                 .rms_norm = rms_norm_avx2,
                                 .rope = rope_avx2,
                                 .swiglu = swiglu_avx2,
                                 .compressor_pool = compressor_pool_avx2}};

}  // namespace

std::span<const CpuKernels> cpu_kernels() noexcept {
  return kVariants;
}

#else

std::span<const CpuKernels> cpu_kernels() noexcept {
  return {};
}

#endif

}  // namespace hadal
