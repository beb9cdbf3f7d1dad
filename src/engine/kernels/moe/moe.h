// y[t] = sum_e w[t][e] E_e(x[t]) + E_shared(x[t]),  E(x) = w2 (silu(min(w1 x, L)) * clamp(w3 x, -L,
// L))   (deepseek-v4.md 6.2)
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>

namespace hadal {

struct ExpertWeights {
  MatrixView w1;  ///< gate [f, d]
  MatrixView w3;  ///< up   [f, d]
  MatrixView w2;  ///< down [d, f]
};

/// The sum runs in the order of the token's expert list, the shared expert last, whatever the
/// batch.
struct MoeArgs {
  Rows<const float> x;                     ///< [n_tokens, d]
  std::span<const ExpertWeights> experts;  ///< [n_experts]
  const ExpertWeights* shared;             ///< nullptr when there is none
  Rows<const std::int32_t> expert_ids;     ///< [n_tokens, k]; a repeated expert counts twice
  Rows<const float> expert_weights;        ///< [n_tokens, k]
  float swiglu_limit;
  bool
      fake_quant_activations;  ///< QAT simulation: Q8 (block 128) before each fp8/fp4 product (3.9)
  Rows<float> y;               ///< [n_tokens, d] out; disjoint from x
};

void moe_ref(const MoeArgs& args);

}  // namespace hadal
