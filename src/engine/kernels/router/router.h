// Expert choice and weights (deepseek-v4.md 6.1): s = f(logits); experts = top-k of s + bias (score
// layers) or given (hash layers); w_e = s_e / (sum of the k chosen + 1e-20) *
// routed_scaling_factor.
#pragma once

#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

enum class RouterScore : std::uint8_t { sqrtsoftplus, sigmoid, softmax };

struct RouterArgs {
  Rows<const float> logits;     ///< [n_tokens, n_experts]
  std::span<const float> bias;  ///< [n_experts], selection only; used by score layers
  RouterScore score;
  bool experts_given;          ///< hash layer: `experts` is an input
  float scaling;               ///< routed_scaling_factor
  Rows<std::int32_t> experts;  ///< [n_tokens, k]; chosen in order of falling s + bias, ties: the
                               ///< lower expert first
  Rows<float> weights;         ///< [n_tokens, k] out
};

void router_ref(const RouterArgs& args);

/// Work memory of a router, grown only: with the same one no call allocates after the first.
struct RouterScratch {
  std::vector<double> scores;
  std::vector<double> keys;
  std::vector<std::int32_t> order;
};

/// router_ref in the caller's memory; same bits.
void router_ref(const RouterArgs& args, RouterScratch& scratch);

}  // namespace hadal
