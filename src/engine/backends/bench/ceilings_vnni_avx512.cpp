#include "engine/backends/bench/ceilings_simd.h"

namespace hadal::bench {
namespace {

double int8_rounds(std::size_t n) {
  __m512i acc[kChains];
  for (__m512i& v : acc) v = _mm512_setzero_si512();
  const __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(-2);
  for (std::size_t round = 0; round < n; ++round) {
    HADAL_UNROLL
    for (__m512i& v : acc) v = _mm512_dpbusd_epi32(v, a, b);
  }
  __m512i sum = _mm512_setzero_si512();
  for (const __m512i& v : acc) sum = _mm512_add_epi32(sum, v);
  return static_cast<double>(_mm512_reduce_add_epi32(sum));
}

}  // namespace

const PeakLoop kInt8Avx512Vnni = {"vpdpbusd zmm", int8_rounds, 2.0 * kChains * 64};

}  // namespace hadal::bench
