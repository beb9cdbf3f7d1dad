#include "engine/backends/bench/ceilings_simd.h"

namespace hadal::bench {
namespace {

/// 32 int8 products without VNNI: pairs to 16 bits, pairs of those to 32 bits, add.
double int8_rounds(std::size_t n) {
  __m256i acc[kChains];
  for (__m256i& v : acc) v = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(-2);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t round = 0; round < n; ++round) {
    HADAL_UNROLL
    for (__m256i& v : acc) {
      __asm__ volatile("" : "+x"(a));  // a may be another one now: nothing leaves the loop
      v = _mm256_add_epi32(v, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  __m256i sum = _mm256_setzero_si256();
  for (const __m256i& v : acc) sum = _mm256_add_epi32(sum, v);
  return static_cast<double>(_mm256_cvtsi256_si32(sum));
}

}  // namespace

const Ceilings kCeilingsAvx2 = {
    .name = "avx2",
    .fp32 = {"vfmadd ymm", fma_rounds, 2.0 * kChains* Simd::kLanes},
    .bf16 = {"vfmadd ymm, no bf16 instruction", fma_rounds, 2.0 * kChains* Simd::kLanes},
    .int8 = {"vpmaddubsw + vpmaddwd + vpaddd ymm", int8_rounds, 2.0 * kChains * 32},
    .read = read_floats};

}  // namespace hadal::bench
