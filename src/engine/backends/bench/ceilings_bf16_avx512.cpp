#include "engine/backends/bench/ceilings_simd.h"

namespace hadal::bench {
namespace {

double bf16_rounds(std::size_t n) {
  __m512 acc[kChains];
  for (__m512& v : acc) v = _mm512_setzero_ps();
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
  const __m512bh b = _mm512_cvtne2ps_pbh(_mm512_set1_ps(-1e-3f), _mm512_set1_ps(1e-3f));
  for (std::size_t round = 0; round < n; ++round) {
    HADAL_UNROLL
    for (__m512& v : acc) v = _mm512_dpbf16_ps(v, a, b);
  }
  float sum = 0.0f;
  for (const __m512& v : acc) sum += Simd::sum(v);
  return static_cast<double>(sum);
}

}  // namespace

const PeakLoop kBf16Avx512Bf16 = {"vdpbf16ps zmm", bf16_rounds, 2.0 * kChains * 32};

}  // namespace hadal::bench
