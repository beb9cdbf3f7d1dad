// Mixture of experts of one layer (deepseek-v4.md section 6).
#pragma once

#include "engine/model/step.h"
#include "engine/model/weights.h"

namespace hadal {

class MoeLayer {
 public:
  MoeLayer(const MoeWeights& weights, const ModelConfig& config)
      : weights_(weights), config_(config) {}

  /// y = sum_{e in top_k} g_e E_e(x) + E_shared(x), x [n_tokens, d] already normed.
  void forward(Step& s, Rows<const float> x, Rows<float> y) const;

 private:
  const MoeWeights& weights_;
  const ModelConfig& config_;
};

}  // namespace hadal
