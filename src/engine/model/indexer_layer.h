// Lightning indexer (deepseek-v4.md section 5): which compressed rows a query of a csa layer
// attends to.
#pragma once

#include "engine/model/compressor_layer.h"

namespace hadal {

/// Rows chosen for each token of the step.
struct RowSelection {
  Rows<std::int32_t> rows;            ///< [n_tokens, index_topk], ascending
  std::span<std::size_t> n_selected;  ///< [n_tokens]
};

class IndexerLayer {
 public:
  IndexerLayer(const IndexerWeights& weights, const ModelConfig& config, std::size_t layer,
               std::span<const float> rope_freq);

  CompressorState make_state(const StatePools& pools) const {
    return compressor_.make_state(pools.index_keys);
  }

  /// Advances the indexer's own compressor and selects. The result lives in the caller's scratch
  /// frame.
  /// @param qa  the normed low-rank query of the attention, as its wq_b sees it   @param x  the
  /// normed layer input
  RowSelection forward(Step& s, Rows<const float> qa, Rows<const float> x, std::size_t layer,
                       std::span<const std::size_t> n_visible) const;

 private:
  const IndexerWeights& weights_;
  std::size_t n_heads_;
  std::size_t head_dim_;
  std::size_t top_k_;
  std::span<const float> rope_freq_;
  CompressorLayer compressor_;
};

}  // namespace hadal
