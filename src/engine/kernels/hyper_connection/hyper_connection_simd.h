#pragma once

#include "engine/kernels/hyper_connection/hyper_connection_tasks.h"
#include "engine/kernels/simd/map.h"
#include "engine/kernels/simd/reduce.h"

namespace hadal {
namespace {

inline float sum_of_squares(const float* x, std::size_t n) noexcept {
  return sum_of_squares_simd(x, n);
}

inline void collapse(const float* x, const float* pre, std::size_t n_streams, std::size_t d,
                     float* hidden) noexcept {
  for_each_vector(0, d, [&](std::size_t i, auto at) {
    Simd::Vec sum = Simd::mul(Simd::set1(pre[0]), at.load(x + i));
    for (std::size_t j = 1; j < n_streams; ++j) {
      sum = Simd::fma(Simd::set1(pre[j]), at.load(x + j * d + i), sum);
    }
    at.store(hidden + i, sum);
  });
}

/// X'[k][i] = post[k] a[i] + sum_j C[j][k] X[j][i]: one vector of channels of all streams at a
/// time, so that the old streams are still at hand when the new ones are stored.
inline void write_token(float* x, const float* update, const float* post, const float* comb,
                        std::size_t n, std::size_t d) {
  for_each_vector(0, d, [&](std::size_t i, auto at) {
    Simd::Vec old[kMaxStreams];
    for (std::size_t j = 0; j < n; ++j) old[j] = at.load(x + j * d + i);
    const Simd::Vec a = at.load(update + i);
    for (std::size_t k = 0; k < n; ++k) {
      Simd::Vec sum = Simd::mul(Simd::set1(post[k]), a);
      for (std::size_t j = 0; j < n; ++j) {
        sum = Simd::fma(Simd::set1(comb[j * n + k]), old[j], sum);
      }
      at.store(x + k * d + i, sum);
    }
  });
}

inline void write(const HyperConnectionWriteArgs& args) noexcept {
  for (std::size_t t = 0; t < args.streams.n; ++t) {
    write_token(args.streams[t], args.update[t], args.post[t], args.comb[t], args.hc_mult,
                args.update.width);
  }
}

constexpr HyperConnectionKernels kHyperConnection = {
    .sum_of_squares = sum_of_squares, .collapse = collapse, .write = write};

}  // namespace
}  // namespace hadal
