#pragma once

#include "engine/kernels/indexer/indexer_tasks.h"
#include "engine/kernels/simd/dot.h"
#include "engine/kernels/simd/map.h"

namespace hadal {
namespace {

inline std::size_t scratch_floats(std::size_t n_heads, std::size_t head_dim,
                                  std::size_t n_keys) noexcept {
  return n_heads * (round_up(head_dim, Simd::kLanes) + n_keys);
}

inline void scores(const IndexerTask& task) noexcept {
  float* packed = task.scratch;
  float* dots = packed + task.n_heads * round_up(task.head_dim, Simd::kLanes);
  pack_tokens_simd(task.q, task.n_heads, task.head_dim, packed);
  dot_panel(task.keys, task.n_keys, task.head_dim, {packed, task.n_heads}, dots, task.n_keys);
  for_each_vector(0, task.n_keys, [&](std::size_t w, auto at) {
    Simd::Vec score = Simd::zero();
    for (std::size_t h = 0; h < task.n_heads; ++h) {
      const Simd::Vec relu = Simd::max(Simd::zero(), at.load(dots + h * task.n_keys + w));
      score = Simd::fma(Simd::set1(task.weights[h]), relu, score);
    }
    at.store(task.scores + w, score);
  });
}

constexpr IndexerKernels kIndexer = {.scratch_floats = scratch_floats, .scores = scores};

}  // namespace
}  // namespace hadal
