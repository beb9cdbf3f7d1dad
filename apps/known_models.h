// Shapes of published models, so that `doctor` can say what fits before anything is downloaded.
#pragma once

#include <array>
#include <string_view>

namespace hadal {

struct KnownModel {
  std::string_view name;
  std::string_view config_json;  ///< the keys that fix the shape (deepseek-v4.md 1.1)
};

inline constexpr std::array<KnownModel, 2> kKnownModels = {{
    {"DeepSeek-V4-Flash", R"({
      "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
      "vocab_size": 129280, "hidden_size": 4096, "num_hidden_layers": 43,
      "num_attention_heads": 64, "num_key_value_heads": 1, "head_dim": 512, "qk_rope_head_dim": 64,
      "q_lora_rank": 1024, "o_groups": 8, "o_lora_rank": 1024, "sliding_window": 128,
      "compress_ratios": [0,0,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,
                          4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,0],
      "rope_theta": 10000, "compress_rope_theta": 160000, "max_position_embeddings": 1048576,
      "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 65536,
                       "beta_fast": 32, "beta_slow": 1},
      "index_n_heads": 64, "index_head_dim": 128, "index_topk": 512,
      "n_routed_experts": 256, "num_experts_per_tok": 6, "n_shared_experts": 1,
      "moe_intermediate_size": 2048, "num_hash_layers": 3, "scoring_func": "sqrtsoftplus",
      "norm_topk_prob": true, "routed_scaling_factor": 1.5, "swiglu_limit": 10.0,
      "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6, "rms_norm_eps": 1e-6,
      "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1})"},
    {"DeepSeek-V4-Pro", R"({
      "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
      "vocab_size": 129280, "hidden_size": 7168, "num_hidden_layers": 61,
      "num_attention_heads": 128, "num_key_value_heads": 1, "head_dim": 512, "qk_rope_head_dim": 64,
      "q_lora_rank": 1536, "o_groups": 16, "o_lora_rank": 1024, "sliding_window": 128,
      "compress_ratios": [128,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,
                          4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,
                          4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,128,4,0],
      "rope_theta": 10000, "compress_rope_theta": 160000, "max_position_embeddings": 1048576,
      "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 65536,
                       "beta_fast": 32, "beta_slow": 1},
      "index_n_heads": 64, "index_head_dim": 128, "index_topk": 1024,
      "n_routed_experts": 384, "num_experts_per_tok": 6, "n_shared_experts": 1,
      "moe_intermediate_size": 3072, "num_hash_layers": 3, "scoring_func": "sqrtsoftplus",
      "norm_topk_prob": true, "routed_scaling_factor": 2.5, "swiglu_limit": 10.0,
      "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6, "rms_norm_eps": 1e-6,
      "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1})"},
}};

/// nullptr when there is none of that name.
inline const KnownModel* find_known_model(std::string_view name) {
  for (const KnownModel& model : kKnownModels)
    if (model.name == name) return &model;
  return nullptr;
}

}  // namespace hadal
