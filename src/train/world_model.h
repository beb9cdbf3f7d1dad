// The world model for training: a small looped transformer on a latent of each token, whose
// attention sees what the event graph allows; its result is added to the residual streams
// (world-model.md 2.3, 2.4). An independent implementation of a reported idea, not a part of the
// released V4. Shares only the config and EventGraph with the engine's, which it is the oracle of.
#pragma once

#include "engine/model/config.h"
#include "train/event_masks.h"
#include "train/parameter.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace hadal::train {

/// One layer of the loop's body. Matrices [out, in].
struct WorldModelLayer {
  at::Tensor attn_norm, q_proj, k_proj, v_proj, o_proj, attn_sink, ffn_norm, w1, w2, w3;
};

/// Predicts the latent of an effect from its causes; exists while the loss weight is above 0.
struct LatentPredictor {
  at::Tensor w0, b0;      ///< [w, 2 w], [w]
  at::Tensor w2, b2;      ///< [w, w], [w]
  at::Tensor kind_embed;  ///< [7, w]: queries, by EventKind
};

/// What one pass leaves for the auxiliary losses, for N = B S tokens.
struct Latents {
  at::Tensor first;  ///< u_0 [N, w]
  at::Tensor last;   ///< u_T [N, w]
};

class WorldModel {
 public:
  /// Gives the storage of one tensor.
  using Make =
      std::function<at::Tensor(const std::string& name, ParameterKind kind, at::IntArrayRef shape)>;

  /// `config` has a world_model. Calls `make` in a fixed order, names with their prefix. Tensors of
  /// double precision are allowed (all of them): everything is then done in double.
  WorldModel(const ModelConfig& config, const Make& make);

  /// The streams with the module's result added. streams [B S, n, d], contiguous; masks of the same
  /// B and S. `latents` may be null.
  at::Tensor forward(const at::Tensor& streams, const EventMasks& masks, Latents* latents) const;

  const std::optional<LatentPredictor>& predictor() const { return predictor_; }

 private:
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor rope(const at::Tensor& x) const;
  at::Tensor attend(const WorldModelLayer& w, const at::Tensor& x, const EventMasks& masks) const;

  WorldModelConfig config_;
  double eps_;
  at::Tensor read_weight_, write_weight_, in_norm_, in_proj_, step_embed_, out_norm_, out_proj_;
  std::vector<WorldModelLayer> layers_;
  std::optional<LatentPredictor> predictor_;
  at::Tensor cos_, sin_;  ///< [positions, 1, rope_dim / 2]
};

}  // namespace hadal::train
