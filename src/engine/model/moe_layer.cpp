#include "engine/model/moe_layer.h"

#include <algorithm>

namespace hadal {
namespace {

RouterScore router_score(ScoringFunc scoring) {
  switch (scoring) {
    case ScoringFunc::sqrtsoftplus:
      return RouterScore::sqrtsoftplus;
    case ScoringFunc::sigmoid:
      return RouterScore::sigmoid;
    case ScoringFunc::softmax:
      return RouterScore::softmax;
  }
  return RouterScore::sqrtsoftplus;
}

}  // namespace

void MoeLayer::forward(Step& s, Rows<const float> x, Rows<float> y) const {
  const Scratch::Frame frame(s.scratch);
  const std::size_t k = config_.num_experts_per_tok;
  const Rows<float> logits = s.rows(config_.n_routed_experts);
  linear(s, x, weights_.gate, logits);

  const Rows<std::int32_t> experts = s.scratch.rows<std::int32_t>(s.n_tokens(), k);
  const bool by_hash = !weights_.tid2eid.empty();
  for (std::size_t t = 0; by_hash && t < s.n_tokens();
       ++t) {  // hash layers: experts = tid2eid[token id]
    std::copy_n(weights_.tid2eid.data() + static_cast<std::size_t>(s.tokens[t]) * k, k, experts[t]);
  }
  const Rows<float> expert_weights = s.rows(k);
  s.backend.router({.logits = logits,
                    .bias = weights_.bias,
                    .score = router_score(config_.scoring_func),
                    .experts_given = by_hash,
                    .scaling = static_cast<float>(config_.routed_scaling_factor),
                    .experts = experts,
                    .weights = expert_weights});

  s.backend.moe({.x = x,
                 .experts = weights_.experts,
                 .shared = weights_.shared ? &*weights_.shared : nullptr,
                 .expert_ids = experts,
                 .expert_weights = expert_weights,
                 .swiglu_limit = static_cast<float>(config_.swiglu_limit),
                 .fake_quant_activations = s.fake_quant,
                 .y = y});
}

}  // namespace hadal
