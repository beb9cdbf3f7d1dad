// Attention of one sequence over ranges of its remembered tokens: keys and values of their own,
// query heads in groups that share a key head, a sink (world-model.md 2.4). Query head h, key head
// g = h / (n_heads / n_kv_heads):
//   s_j = q_h . k_jg * scale, over the rows j of the query's ranges
//   w_j = exp(s_j - M) / (sum_j exp(s_j - M) + exp(sink_h - M))
//   out_h = sum_j w_j v_jg;  0 without a visible row
#pragma once

#include "engine/kernels/rows.h"

#include <span>

namespace hadal {

/// Rows that one query sees, ascending: those of `before`, which are disjoint, then `last`.
struct VisibleRanges {
  std::span<const RowRange> before;
  RowRange last;  ///< may be empty

  std::size_t size() const noexcept {
    std::size_t n = last.size();
    for (const RowRange& range : before) n += range.size();
    return n;
  }
};

/// The result for a query depends on its own visible rows alone, taken in ascending order. Cost:
/// proportional to their number.
struct RangeAttentionArgs {
  Rows<const float> q;  ///< [n_tokens, n_heads * head_dim]
  std::size_t n_heads;
  std::size_t n_kv_heads;  ///< divides n_heads
  std::size_t head_dim;
  PagedRows rows;  ///< [n_rows, 2 * n_kv_heads * head_dim]: the keys of a token, then its values
  std::span<const VisibleRanges> visible;  ///< [n_tokens]; ranges end at rows.n at the latest
  std::span<const float> sinks;            ///< [n_heads], not scaled, denominator only
  float scale;                             ///< head_dim^-1/2
  Rows<float> out;                         ///< [n_tokens, n_heads * head_dim]; disjoint from q
};

void range_attention_ref(const RangeAttentionArgs& args);

/// w_j of one query and head, into visible[token].size() places: below 1 in all by the sink's
/// share. For people who ask what was seen.
void range_attention_weights(const RangeAttentionArgs& args, std::size_t token, std::size_t head,
                             std::span<double> weights);

/// The keys of head `kv_head` that query `token` sees, into visible[token].size() places: what the
/// variants of attention_tasks.h take, with range_value_offset.
void gather_range_keys(const RangeAttentionArgs& args, std::size_t token, std::size_t kv_head,
                       const float** keys) noexcept;

/// From a key to its value, in floats.
inline std::size_t range_value_offset(const RangeAttentionArgs& args) noexcept {
  return args.n_kv_heads * args.head_dim;
}

}  // namespace hadal
