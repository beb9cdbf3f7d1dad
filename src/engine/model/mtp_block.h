// Multi-token prediction (deepseek-v4.md 7.1): from the main model's streams at position p and
// token p+1, logits for token p+2.
#pragma once

#include "engine/model/block.h"

namespace hadal {

class MtpBlock {
 public:
  MtpBlock(const MtpWeights& weights, const ModelConfig& config, std::size_t stage,
           std::span<const float> rope_freq)
      : weights_(weights),
        config_(config),
        block_(weights.block, config, {.index = stage, .mtp = true}, rope_freq) {}

  LayerState make_state(const StatePools& pools) const { return block_.make_state(pools); }
  const MtpWeights& weights() const { return weights_; }

  /// @param next_embeddings  [n_tokens, d]: embedding of the token after each position
  /// @param streams          [n_tokens, n d]: in: the main model's streams (or this block's, when
  /// drafts are chained);
  ///                         out: this block's streams
  void forward(Step& s, Rows<const float> next_embeddings, Rows<float> streams) const;

 private:
  const MtpWeights& weights_;
  const ModelConfig& config_;
  Block block_;
};

}  // namespace hadal
