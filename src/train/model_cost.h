// What a model holds and computes, by part: to match the sizes of models before they are trained.
#pragma once

#include "engine/model/config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hadal::train {

struct PartCost {
  std::string part;
  std::int64_t n_parameters = 0;  ///< with a gradient
  double macs_per_token = 0.0;    ///< multiply-adds of matrix products with weights, forward pass
};

/// Parts in a fixed order, each once; the train-only tensors of the world model are a part of their
/// own, with no MACs. Routed experts count as num_experts_per_tok of n_routed_experts, the body of
/// the world model n_latent_steps times; MTP blocks as if run for each token. Products of
/// activations (attention scores, hyper-connection mixing) are not counted.
std::vector<PartCost> model_cost(const ModelConfig& config);

/// Sums; the train-only part is left out.
PartCost total_cost(const std::vector<PartCost>& parts);

}  // namespace hadal::train
