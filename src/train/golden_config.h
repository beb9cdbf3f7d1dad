// Config G1 of deepseek-v4.md A.2, for tests.
#pragma once

#include "engine/model/config.h"

namespace hadal::train {

inline ModelConfig golden_config() {
  ModelConfig c;
  c.vocab_size = 50;
  c.hidden_size = 32;
  c.num_hidden_layers = 4;
  c.num_attention_heads = 4;
  c.head_dim = 32;
  c.qk_rope_head_dim = 8;
  c.q_lora_rank = 24;
  c.o_groups = 2;
  c.o_lora_rank = 12;
  c.sliding_window = 16;
  c.max_position_embeddings = 256;
  c.layer_types = {AttentionType::sliding, AttentionType::csa, AttentionType::hca,
                   AttentionType::csa};
  c.compress_ratios = {0, 4, 128, 4};
  c.mlp_layer_types = {MlpType::hash, MlpType::score, MlpType::score, MlpType::score};
  c.yarn = YarnScaling{
      .factor = 16, .original_max_position_embeddings = 64, .beta_fast = 32, .beta_slow = 1};
  c.index_n_heads = 32;
  c.index_head_dim = 16;
  c.index_topk = 5;
  c.n_routed_experts = 6;
  c.num_experts_per_tok = 3;
  c.n_shared_experts = 1;
  c.moe_intermediate_size = 24;
  c.routed_scaling_factor = 2.5;
  c.swiglu_limit = 0.6;
  c.hc_mult = 4;
  c.hc_sinkhorn_iters = 20;
  c.hc_eps = 1e-3;
  c.rms_norm_eps = 1e-5;
  c.num_nextn_predict_layers = 1;
  return c;
}

}  // namespace hadal::train
