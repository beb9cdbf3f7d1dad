#pragma once

#include "engine/kernels/attention/attention_tasks.h"
#include "engine/kernels/simd/dot.h"
#include "engine/kernels/simd/exp.h"
#include "engine/kernels/simd/map.h"

#include <cstring>

namespace hadal {
namespace {

constexpr std::size_t kKeyBlock = 128;  ///< keys whose weighted sum is formed before it is added
constexpr std::size_t kHeadTile = 4;

/// scores[j] <- exp(scale s_j - M); returns sum_j of them + exp(sink - M). Lane l sums the keys j =
/// l (mod kLanes).
inline float softmax_weights(float* scores, std::size_t n, float scale, float sink) {
  const Simd::Vec factor = Simd::set1(scale);
  for_each_vector(0, n, [&](std::size_t j, auto at) {
    at.store(scores + j, Simd::mul(at.load(scores + j), factor));
  });
  std::size_t i = 0;
  Simd::Vec max_lanes = Simd::set1(sink);  // the sink takes part, so the denominator is never 0
  for (; i + Simd::kLanes <= n; i += Simd::kLanes) {
    max_lanes = Simd::max(max_lanes, Simd::load(scores + i));
  }
  float max = Simd::max_lane(max_lanes);
  for (; i < n; ++i) max = scores[i] > max ? scores[i] : max;

  const Simd::Vec shift = Simd::set1(max);
  Simd::Vec sum_lanes = Simd::zero();
  for_each_vector(0, n, [&](std::size_t j, auto at) {
    at.store(scores + j, exp_simd(Simd::sub(at.load(scores + j), shift)));
    sum_lanes = Simd::add(sum_lanes, at.load(scores + j));  // 0 past the end
  });
  alignas(64) float sink_term[Simd::kLanes] = {sink - max};
  Simd::store(sink_term, exp_simd(Simd::load(sink_term)));
  return Simd::sum(sum_lanes) + sink_term[0];
}

/// out[h][i ..] (+)= sum_j w[h][j] key_j[i ..] over keys [begin, end), ascending, for H heads and V
/// vectors of channels.
template <std::size_t H, std::size_t V, typename Access>
inline void value_tile(const AttentionTask& task, const float* w, std::size_t begin,
                       std::size_t end, std::size_t i, float* out, Access at) {
  Simd::Vec acc[H][V];
  HADAL_UNROLL
  for (auto& head : acc) {
    HADAL_UNROLL
    for (Simd::Vec& a : head) a = Simd::zero();
  }
  for (std::size_t j = begin; j < end; ++j) {
    const float* key = task.keys[j] + task.value_offset + i;
    Simd::Vec value[V];
    HADAL_UNROLL
    for (std::size_t v = 0; v < V; ++v) value[v] = at.load(key + v * Simd::kLanes);
    HADAL_UNROLL
    for (std::size_t h = 0; h < H; ++h) {
      const Simd::Vec weight = Simd::set1(w[h * task.n_keys + j]);
      HADAL_UNROLL
      for (std::size_t v = 0; v < V; ++v) acc[h][v] = Simd::fma(weight, value[v], acc[h][v]);
    }
  }
  HADAL_UNROLL
  for (std::size_t h = 0; h < H; ++h) {
    HADAL_UNROLL
    for (std::size_t v = 0; v < V; ++v) {
      float* o = out + h * task.head_dim + i + v * Simd::kLanes;
      at.store(o, begin == 0 ? acc[h][v] : Simd::add(at.load(o), acc[h][v]));
    }
  }
}

/// All channels of H heads over one block of keys.
template <std::size_t H>
inline void value_heads(const AttentionTask& task, const float* w, std::size_t begin,
                        std::size_t end, float* out) {
  constexpr std::size_t kStep = Simd::kValueVecs * Simd::kLanes;
  std::size_t i = 0;
  for (; i + kStep <= task.head_dim; i += kStep) {
    value_tile<H, Simd::kValueVecs>(task, w, begin, end, i, out, FullVector{});
  }
  for_each_vector(i, task.head_dim, [&](std::size_t c, auto at) {
    value_tile<H, 1>(task, w, begin, end, c, out, at);
  });
}

/// task.out <- sum_j weights[h][j] key_j, blocks of keys in ascending order.
inline void weighted_values(const AttentionTask& task, const float* weights) {
  if (task.n_keys == 0) std::memset(task.out, 0, task.n_heads * task.head_dim * sizeof(float));
  for (std::size_t begin = 0; begin < task.n_keys; begin += kKeyBlock) {
    const std::size_t end = begin + kKeyBlock < task.n_keys ? begin + kKeyBlock : task.n_keys;
    for (std::size_t h = 0; h < task.n_heads; h += kHeadTile) {
      const float* w = weights + h * task.n_keys;
      float* out = task.out + h * task.head_dim;
      switch (task.n_heads - h) {
        case 1:
          value_heads<1>(task, w, begin, end, out);
          break;
        case 2:
          value_heads<2>(task, w, begin, end, out);
          break;
        case 3:
          value_heads<3>(task, w, begin, end, out);
          break;
        default:
          value_heads<kHeadTile>(task, w, begin, end, out);
      }
    }
  }
}

inline std::size_t scratch_floats(std::size_t n_heads, std::size_t head_dim,
                                  std::size_t n_keys) noexcept {
  return n_heads * (round_up(head_dim, Simd::kLanes) + n_keys);
}

inline void attention_heads(const AttentionTask& task) noexcept {
  const std::size_t dim = task.head_dim;
  float* packed = task.scratch;
  float* weights = packed + task.n_heads * round_up(dim, Simd::kLanes);  // [n_heads][n_keys]
  const float* q[kAttentionHeads];
  for (std::size_t h = 0; h < task.n_heads; ++h) q[h] = task.q + h * dim;
  pack_tokens_simd(q, task.n_heads, dim, packed);
  dot_panel(task.keys, task.n_keys, dim, {packed, task.n_heads}, weights, task.n_keys);

  float denominator[kAttentionHeads];
  for (std::size_t h = 0; h < task.n_heads; ++h) {
    denominator[h] =
        softmax_weights(weights + h * task.n_keys, task.n_keys, task.scale, task.sinks[h]);
  }
  weighted_values(task, weights);
  for (std::size_t h = 0; h < task.n_heads; ++h) {
    float* out = task.out + h * dim;
    const Simd::Vec factor = Simd::set1(1.0f / denominator[h]);
    for_each_vector(0, dim, [&](std::size_t i, auto at) {
      at.store(out + i, Simd::mul(at.load(out + i), factor));
    });
  }
}

constexpr AttentionKernels kAttention = {.scratch_floats = scratch_floats,
                                         .heads = attention_heads};

}  // namespace
}  // namespace hadal
