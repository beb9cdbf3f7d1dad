// The causal latent layer: a small transformer, run n_latent_steps times with the same weights,
// whose attention follows the event graph (world-model.md 2.2 - 2.5). An independent implementation
// of a reported idea, not a part of the released V4.
#pragma once

#include "engine/model/step.h"
#include "engine/model/weights.h"

#include <span>
#include <vector>

namespace hadal {

class WorldModelLayer {
 public:
  /// `weights` and `config`, which has a world model, must outlive the layer.
  WorldModelLayer(const WorldModelWeights& weights, const ModelConfig& config);

  WorldModelState make_state(const StatePools& pools) const;
  /// Floats of a token's keys and values in one layer of one loop.
  static std::size_t row_width(const WorldModelConfig& config) {
    return 2 * config.n_kv_heads * config.head_dim;
  }

  /// streams [n_tokens, n d]: residual streams, updated in place; with skip_root those of tokens
  /// outside of events keep their bits. Appends the step's tokens to the state.
  void forward(Step& s, Rows<float> streams) const;

 private:
  /// What each token of the step sees, itself included; valid until the next step.
  std::span<const VisibleRanges> extend_graphs(Step& s) const;
  void read(Rows<const float> streams, Rows<float> hidden) const;
  void write(const Step& s, Rows<const float> update, Rows<float> streams) const;

  /// x <- layer `layer` of the body in loop `loop`.
  void forward_body(Step& s, std::size_t loop, std::size_t layer,
                    std::span<const VisibleRanges> visible, Rows<float> x) const;
  /// Remembers kv as rows `slot` of the states, then o_h = sum_j A_j v_j.
  void attend(Step& s, std::size_t slot, std::span<const float> sinks, Rows<const float> q,
              Rows<const float> kv, std::span<const VisibleRanges> visible, Rows<float> out) const;
  /// For people: see ForwardInput::attended.
  void explain(const RangeAttentionArgs& args, const EventGraph& graph,
               std::vector<float>& attended) const;
  void rotate(Step& s, Rows<float> x, std::size_t n_heads) const;

  const WorldModelWeights& weights_;
  const WorldModelConfig& config_;
  std::size_t hidden_size_;
  std::size_t hc_mult_;
  std::vector<float> rope_freq_;
};

}  // namespace hadal
