// Lightning indexer (deepseek-v4.md section 5): scores of all visible compressed rows and the best
// top_k of them.
//   I[p][w] = sum_h weight[p][h] ReLU(q[p][h] . key[w])
#pragma once

#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>

namespace hadal {

struct IndexerSelectArgs {
  Rows<const float> q;             ///< [n_tokens, n_heads * head_dim], roped
  Rows<const float> head_weights;  ///< [n_tokens, n_heads]; both constant factors (heads^-1/2,
                                   ///< dim^-1/2) already folded in
  std::size_t n_heads;
  PagedRows keys;  ///< [n_rows, head_dim]
  std::span<const std::size_t>
      n_visible;  ///< [n_tokens]: rows [0, n_visible) may be chosen; <= keys.n
  std::size_t top_k;
  Rows<std::int32_t>
      selected;  ///< [n_tokens, top_k] out: chosen rows, ascending; ties: the lower row wins
  std::span<std::size_t> n_selected;  ///< [n_tokens] out: min(top_k, n_visible)
};

/// When n_visible <= top_k all visible rows are chosen without scoring (the set does not depend on
/// the scores).
void indexer_select_ref(const IndexerSelectArgs& args);

}  // namespace hadal
