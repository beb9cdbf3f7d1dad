// The shape of a DeepSeek-V4-family model. Fields keep the Hugging Face config.json keys
// (deepseek-v4.md section 1).
#pragma once

#include "base/result.h"
#include "engine/model/world_model_config.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// How a layer sees tokens outside of its sliding window (deepseek-v4.md 3.7).
enum class AttentionType : std::uint8_t {
  sliding,  ///< window only; main rope table
  csa,      ///< compressed sparse attention: overlapping compressor + lightning indexer
  hca,      ///< heavily compressed attention: plain compressor, all visible rows
};

enum class MlpType : std::uint8_t {
  hash,   ///< experts by token id (tid2eid); the gate gives the weights only
  score,  ///< experts by top-k of score + bias
};

enum class ScoringFunc : std::uint8_t { sqrtsoftplus, sigmoid, softmax };

struct YarnScaling {
  double factor = 1.0;
  std::size_t original_max_position_embeddings = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
};

struct ModelConfig {
  std::size_t vocab_size = 0;
  std::size_t hidden_size = 0;
  std::size_t num_hidden_layers = 0;
  std::size_t num_attention_heads = 0;
  std::size_t head_dim = 0;
  std::size_t qk_rope_head_dim = 0;
  std::size_t q_lora_rank = 0;
  std::size_t o_groups = 0;
  std::size_t o_lora_rank = 0;
  std::size_t sliding_window = 0;
  std::size_t max_position_embeddings = 0;

  std::vector<AttentionType> layer_types;    ///< [num_hidden_layers]
  std::vector<std::size_t> compress_ratios;  ///< [num_hidden_layers]; 0 for sliding layers
  std::vector<MlpType> mlp_layer_types;      ///< [num_hidden_layers]

  double rope_theta = 10000.0;            ///< sliding layers and the MTP block
  double compress_rope_theta = 160000.0;  ///< csa and hca layers
  std::optional<YarnScaling> yarn;        ///< applies to the compress table; absent = plain
  std::optional<YarnScaling>
      main_yarn;  ///< the main table; no published model has it (rope_parameters.main may)

  std::size_t index_n_heads = 0;
  std::size_t index_head_dim = 0;
  std::size_t index_topk = 0;

  std::size_t n_routed_experts = 0;
  std::size_t num_experts_per_tok = 0;
  std::size_t n_shared_experts =
      0;  ///< their joint width is n_shared_experts * moe_intermediate_size
  std::size_t moe_intermediate_size = 0;
  ScoringFunc scoring_func = ScoringFunc::sqrtsoftplus;
  double routed_scaling_factor = 1.0;
  double swiglu_limit = 10.0;  ///< <= 0 switches the clamp off

  std::size_t hc_mult = 0;
  std::size_t hc_sinkhorn_iters = 0;
  double hc_eps = 1e-6;
  double rms_norm_eps = 1e-6;

  std::size_t num_nextn_predict_layers = 0;     ///< MTP blocks in the file (0: none)
  std::optional<WorldModelConfig> world_model;  ///< absent in every real V4 checkpoint

  std::int32_t bos_token_id = 0;
  std::int32_t eos_token_id = 1;
  std::int32_t pad_token_id = 2;

  /// Rows of the window latents' key space that a head group sees in the output projection: H *
  /// head_dim / o_groups.
  std::size_t o_group_width() const { return num_attention_heads * head_dim / o_groups; }
  /// Leading layers that route by token id; what `num_hash_layers` says when the hash layers come
  /// first.
  std::size_t n_hash_layers() const;
  /// 2 for csa (two series, overlapping windows), 1 for hca (deepseek-v4.md section 4).
  std::size_t compressor_series(std::size_t layer) const {
    return layer_types[layer] == AttentionType::csa ? 2 : 1;
  }
};

/// Reads a config.json in the published form, the Hugging Face 5.x form or the
/// inference/config.json form (section 1.1-1.2), and validates it. `source` names the file in
/// messages. Errors: bad_format (not JSON, wrong types), unsupported (deepseek_v41 and other
/// architectures), invalid_argument (a rule of shape is violated; every violated rule is named).
Result<ModelConfig> parse_config(std::string_view json_text, std::string_view source);

/// Names every violated rule; ok when the engine can run this shape. Also bounds every number, so
/// that no product of dimensions overflows and no list grows beyond memory.
Result<void> validate(const ModelConfig& config, std::string_view source);

/// Types of the weights that a config.json announces to other programs (torch_dtype, expert_dtype,
/// quantization_config).
enum class WeightTypes : std::uint8_t {
  f32,
  bf16,
  native,  ///< FP8 linears, FP4 experts
};

/// The published form of config.json, as `synth`, `convert` and the trainer write it. What that
/// form cannot say (a CSA rate other than 4, hash layers that are not the first ones) is added with
/// the keys of the Hugging Face form.
std::string to_config_json(const ModelConfig& config, WeightTypes types = WeightTypes::f32);

}  // namespace hadal
