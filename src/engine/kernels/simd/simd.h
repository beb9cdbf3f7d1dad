// The vector of this translation unit: *_avx512.cpp and *_avx2.cpp are compiled with the flags of
// their instruction set (kernels.cmake); no other file may include this.
#pragma once

#if defined(__AVX512F__)
#include "engine/kernels/simd/avx512.h"
#elif defined(__AVX2__)
#include "engine/kernels/simd/avx2.h"
#else
#error "only for files that are compiled for an instruction set"
#endif

/// Before a loop over a tile: unrolls it whole, so that the tile stays in registers (at -O2 GCC
/// would keep it on the stack).
#define HADAL_UNROLL _Pragma("GCC unroll 16")
