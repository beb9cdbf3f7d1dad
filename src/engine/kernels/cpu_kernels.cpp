#include "engine/kernels/cpu_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
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

/// Tile registers have to be asked for, once per process (Linux Documentation/arch/x86/xstate.rst).
bool has_amx() noexcept {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr unsigned long kTileData = 18;     // XFEATURE_XTILEDATA
  constexpr unsigned kAmxTile = 1u << 24;     // CPUID 7.0 EDX
  constexpr unsigned kAmxInt8 = 1u << 25;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return has_avx512() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
         (edx & kAmxTile) != 0 && (edx & kAmxInt8) != 0 &&
         ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

constexpr CpuKernels kAvx512 = {.name = "avx512",
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
                                .compressor_pool = compressor_pool_avx512};

/// Only on request (HADAL_CPU_ISA=amx): on Sapphire Rapids it reads prompts at 0.8 of the speed of
/// avx512, because the products of each block of 32 leave the tile through memory.
constexpr CpuKernels with_amx(CpuKernels kernels) {
  kernels.name = "amx";
  kernels.runs_here = has_amx;
  kernels.only_on_request = true;
  kernels.int8_linear = &kInt8Amx;
  return kernels;
}

const CpuKernels kVariants[] = {with_amx(kAvx512),
                                kAvx512,
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
