#pragma once

#include "engine/backends/bench/ceilings.h"
#include "engine/kernels/simd/simd.h"

namespace hadal::bench {
namespace {

constexpr std::size_t kChains = 12;  // hide 5 cycles of latency on two units; 12 fit into AVX2

inline double fma_rounds(std::size_t n) {
  Simd::Vec acc[kChains];
  for (std::size_t i = 0; i < kChains; ++i) acc[i] = Simd::set1(static_cast<float>(i));
  const Simd::Vec a = Simd::set1(0.999f);
  const Simd::Vec b = Simd::set1(0.001f);
  for (std::size_t round = 0; round < n; ++round) {
    HADAL_UNROLL
    for (Simd::Vec& v : acc) v = Simd::fma(v, a, b);
  }
  float sum = 0.0f;
  for (const Simd::Vec& v : acc) sum += Simd::sum(v);
  return static_cast<double>(sum);
}

inline float read_floats(const float* data, std::size_t n) {
  constexpr std::size_t kStreams = 8;
  Simd::Vec acc[kStreams];
  HADAL_UNROLL
  for (Simd::Vec& v : acc) v = Simd::zero();
  for (std::size_t i = 0; i < n; i += kStreams * Simd::kLanes) {
    HADAL_UNROLL
    for (std::size_t s = 0; s < kStreams; ++s) {
      acc[s] = Simd::add(acc[s], Simd::load(data + i + s * Simd::kLanes));
    }
  }
  float sum = 0.0f;
  for (const Simd::Vec& v : acc) sum += Simd::sum(v);
  return sum;
}

}  // namespace
}  // namespace hadal::bench
