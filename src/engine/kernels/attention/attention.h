// Core attention of one sequence: shared key = value latents, sinks, window and compressed rows in
// one softmax (deepseek-v4.md 3.3-3.4):  s_j = q_a . key_j * scale;  w_j = exp(s_j - M) / (sum_j
// exp(s_j - M) + exp(sink_a - M))
#pragma once

#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>

namespace hadal {

/// Query t stands at absolute position start + t. Keys are taken in this order: window positions
/// max(0, p - window + 1) .. p ascending, then compressed rows ascending.
struct AttentionArgs {
  Rows<const float> q;  ///< [n_tokens, n_heads * head_dim]
  std::size_t n_heads;
  std::size_t head_dim;
  std::size_t start;         ///< absolute position of the first query
  std::size_t window;        ///< W: at most W keys, the query's own included
  PositionRows window_keys;  ///< [.., head_dim], by absolute position
  PagedRows rows;            ///< compressed rows [n_rows, head_dim]; n = 0 for sliding layers
  /// Rows of query t: selected[t][0 .. n_selected[t]) when given (csa), else all of [0,
  /// n_visible[t]) (hca).
  Rows<const std::int32_t> selected;
  std::span<const std::size_t> n_selected;
  std::span<const std::size_t> n_visible;  ///< [n_tokens]; empty for sliding layers
  std::span<const float> sinks;            ///< [n_heads], not scaled, denominator only
  float scale;                             ///< head_dim^-1/2
  Rows<float> out;                         ///< [n_tokens, n_heads * head_dim]; disjoint from q
};

void attention_ref(const AttentionArgs& args);

}  // namespace hadal
