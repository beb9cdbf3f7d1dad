// Hybrid attention of one layer (deepseek-v4.md sections 3-5): sliding window + compressed rows,
// one shared latent as key and value.
#pragma once

#include "engine/model/indexer_layer.h"

#include <optional>

namespace hadal {

/// Which state of a sequence a block uses: that of main layer `index`, or of MTP stage `index`.
struct LayerSlot {
  std::size_t index;
  bool mtp = false;

  LayerState& of(SequenceState& state) const {
    return mtp ? state.mtp_layer(index) : state.layer(index);
  }
};

class AttentionLayer {
 public:
  /// `weights`, `config` and `rope_freq` (of this layer's kind) must outlive the layer.
  AttentionLayer(const AttentionWeights& weights, const ModelConfig& config, LayerSlot slot,
                 std::span<const float> rope_freq);

  LayerState make_state(const StatePools& pools) const;

  /// y = Attn(x; state), x [n_tokens, d] already normed; appends the step's tokens to the state.
  void forward(Step& s, Rows<const float> x, Rows<float> y) const;

 private:
  struct Compression {
    CompressorLayer compressor;
    std::optional<IndexerLayer> indexer;
    std::size_t ratio;
  };

  void attend(Step& s, Rows<const float> x, Rows<const float> qa, Rows<const float> q,
              Rows<const float> kv, Rows<float> out) const;
  void project_out(Step& s, Rows<const float> heads, Rows<float> y) const;

  const AttentionWeights& weights_;
  const ModelConfig& config_;
  LayerSlot slot_;
  std::span<const float> rope_freq_;
  std::optional<Compression> compression_;
};

}  // namespace hadal
