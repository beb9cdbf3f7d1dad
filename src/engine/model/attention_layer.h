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

  /// Tokens whose queries and head outputs exist at one time: the widest activations by far.
  static constexpr std::size_t kBlockTokens = 128;

  /// y = Attn(x; state), x [n_tokens, d] already normed; appends the step's tokens to the state.
  void forward(Step& s, Rows<const float> x, Rows<float> y) const;

 private:
  struct Compression {
    CompressorLayer compressor;
    std::optional<IndexerLayer> indexer;
    std::size_t ratio;
  };

  /// Rows that the step's tokens see: n_visible of them, or those selected.
  struct VisibleRows {
    std::span<std::size_t> n_visible;  ///< [n_tokens]; empty for sliding layers
    RowSelection selection;            ///< csa
  };

  VisibleRows compress(Step& s, Rows<const float> x, Rows<const float> qa) const;
  /// y of tokens [begin, begin + n) of the step.
  void forward_block(Step& s, std::size_t begin, std::size_t n, Rows<const float> qa,
                     Rows<const float> kv, const VisibleRows& visible, Rows<float> y) const;
  /// q and out belong to tokens [begin, begin + q.n).
  void attend(Step& s, std::size_t begin, Rows<const float> q, Rows<const float> kv,
              const VisibleRows& visible, Rows<float> out) const;
  void project_out(Step& s, Rows<const float> heads, Rows<float> y) const;

  const AttentionWeights& weights_;
  const ModelConfig& config_;
  LayerSlot slot_;
  std::span<const float> rope_freq_;
  std::optional<Compression> compression_;
};

}  // namespace hadal
