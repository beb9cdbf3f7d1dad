#include "engine/backends/bench/ceilings_simd.h"

namespace hadal::bench {
namespace {

/// 64 int8 products without VNNI: pairs to 16 bits, pairs of those to 32 bits, add.
double int8_rounds(std::size_t n) {
  __m512i acc[kChains];
  for (__m512i& v : acc) v = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(-2);
  const __m512i ones = _mm512_set1_epi16(1);
  for (std::size_t round = 0; round < n; ++round) {
    HADAL_UNROLL
    for (__m512i& v : acc) {
      __asm__ volatile("" : "+v"(a));  // a may be another one now: nothing leaves the loop
      v = _mm512_add_epi32(v, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
    }
  }
  __m512i sum = _mm512_setzero_si512();
  for (const __m512i& v : acc) sum = _mm512_add_epi32(sum, v);
  return static_cast<double>(_mm512_reduce_add_epi32(sum));
}

}  // namespace

const Ceilings kCeilingsAvx512 = {
    .name = "avx512",
    .fp32 = {"vfmadd zmm", fma_rounds, 2.0 * kChains* Simd::kLanes},
    .bf16 = {"vfmadd zmm, no bf16 instruction", fma_rounds, 2.0 * kChains* Simd::kLanes},
    .int8 = {"vpmaddubsw + vpmaddwd + vpaddd zmm", int8_rounds, 2.0 * kChains * 64},
    .read = read_floats};

}  // namespace hadal::bench
