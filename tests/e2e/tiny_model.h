// A V4 shape with every mechanism, whose inner dimensions are multiples of 32, so that the native
// types fit.
#pragma once

#include "program.h"

#include <string>

namespace hadal::e2e {

inline constexpr const char* kTinyConfig = R"({
  "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
  "vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
  "num_key_value_heads": 1, "head_dim": 32, "qk_rope_head_dim": 8, "q_lora_rank": 32,
  "o_groups": 2, "o_lora_rank": 32, "sliding_window": 16, "compress_ratios": [0, 4, 128, 4, 0],
  "rope_theta": 10000, "compress_rope_theta": 160000, "max_position_embeddings": 1024,
  "index_n_heads": 4, "index_head_dim": 32, "index_topk": 5,
  "n_routed_experts": 6, "num_experts_per_tok": 3, "n_shared_experts": 1,
  "moe_intermediate_size": 64, "num_hash_layers": 1, "scoring_func": "sqrtsoftplus",
  "norm_topk_prob": true, "routed_scaling_factor": 1.5, "swiglu_limit": 10.0,
  "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6, "rms_norm_eps": 1e-6,
  "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1})";

/// "0,18,..": ids of (7 i^2 + 3 i + 11) mod 300 for i in [0, n).
inline std::string tiny_tokens(int n) {
  std::string text;
  for (int i = 0; i < n; ++i)
    text += (i > 0 ? "," : "") + std::to_string((7 * i * i + 3 * i + 11) % 300);
  return text;
}

/// Writes the model with `synth` and returns what -m takes. `format` safetensors or gguf.
inline std::string make_tiny_model(const TemporaryDirectory& directory, const std::string& format,
                                   const std::string& dtype) {
  const std::string config = directory.write("config.json", kTinyConfig);
  const std::string out = directory / (dtype + (format == "gguf" ? ".gguf" : ""));
  const Outcome made = run_program(
      {"synth", "--config", config, "--out", out, "--format", format, "--dtype", dtype, "--mtp"});
  return made.exit_code == 0 ? out : "synth failed: " + made.err;
}

}  // namespace hadal::e2e
