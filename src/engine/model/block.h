// One decoder block: attention and mixture of experts, each wrapped by a hyper-connection site
// (deepseek-v4.md 2.1).
#pragma once

#include "engine/model/attention_layer.h"
#include "engine/model/moe_layer.h"

namespace hadal {

/// Coefficients that a site's read leaves for its write.
struct HyperConnectionMix {
  Rows<float> post;  ///< [n_tokens, n]
  Rows<float> comb;  ///< [n_tokens, n n]
};

class Block {
 public:
  Block(const BlockWeights& weights, const ModelConfig& config, LayerSlot slot,
        std::span<const float> rope_freq)
      : weights_(weights),
        config_(config),
        attention_(weights.attention, config, slot, rope_freq),
        moe_(weights.moe, config) {}

  LayerState make_state(const StatePools& pools) const { return attention_.make_state(pools); }

  /// streams [n_tokens, n d]: residual streams, updated in place.
  void forward(Step& s, Rows<float> streams) const;

 private:
  HyperConnectionMix read(Step& s, const HyperConnectionSite& site, Rows<const float> streams,
                          Rows<float> hidden) const;
  void write(Step& s, const HyperConnectionMix& mix, Rows<const float> update,
             Rows<float> streams) const;

  const BlockWeights& weights_;
  const ModelConfig& config_;
  AttentionLayer attention_;
  MoeLayer moe_;
};

}  // namespace hadal
