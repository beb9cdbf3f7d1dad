#include "engine/model/config.h"

#include "base/checked_math.h"
#include "engine/model/config_rules.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

constexpr std::size_t kMaxRoutedExpertsInAll =
    1u << 17;  // over all layers; bounds the list of tensors

void check_sizes(const ModelConfig& c, ConfigRules& rules) {
  rules.in_range("vocab_size", c.vocab_size, 1, 1u << 24);
  rules.in_range("hidden_size", c.hidden_size, 1, 1u << 17);
  rules.in_range("num_hidden_layers", c.num_hidden_layers, 1, 1024);
  rules.in_range("num_attention_heads", c.num_attention_heads, 1, 4096);
  rules.in_range("head_dim", c.head_dim, 2, 8192);
  rules.in_range("q_lora_rank", c.q_lora_rank, 1, 1u << 16);
  rules.in_range("o_groups", c.o_groups, 1, 8192);
  rules.in_range("o_lora_rank", c.o_lora_rank, 1, 1u << 16);
  rules.in_range("sliding_window", c.sliding_window, 1, 1u << 20);
  rules.in_range("max_position_embeddings", c.max_position_embeddings, 1, 1u << 30);
  rules.in_range("hc_mult", c.hc_mult, 1, 64);
  rules.in_range("hc_sinkhorn_iters", c.hc_sinkhorn_iters, 1, 1000);
  rules.in_range("num_nextn_predict_layers", c.num_nextn_predict_layers, 0, 16);
}

void check_attention(const ModelConfig& c, ConfigRules& rules) {
  rules.require(
      c.qk_rope_head_dim >= 2 && c.qk_rope_head_dim % 2 == 0 && c.qk_rope_head_dim <= c.head_dim,
      "qk_rope_head_dim must be even, at least 2 and at most head_dim ({}), found {}", c.head_dim,
      c.qk_rope_head_dim);
  rules.require(c.o_groups == 0 || (c.num_attention_heads * c.head_dim) % c.o_groups == 0,
                "num_attention_heads * head_dim ({} * {}) must be a multiple of o_groups ({})",
                c.num_attention_heads, c.head_dim, c.o_groups);
  const auto is_csa = [](AttentionType type) { return type == AttentionType::csa; };
  if (std::any_of(c.layer_types.begin(), c.layer_types.end(), is_csa)) {
    rules.in_range("index_n_heads", c.index_n_heads, 1, 4096);
    rules.in_range("index_topk", c.index_topk, 1, 1u << 20);
    rules.require(
        c.index_head_dim >= c.qk_rope_head_dim && c.index_head_dim <= 8192,
        "index_head_dim must be at least qk_rope_head_dim ({}) and at most 8192, found {}",
        c.qk_rope_head_dim, c.index_head_dim);
  }
}

void check_schedule(const ModelConfig& c, ConfigRules& rules) {
  rules.require(c.layer_types.size() == c.num_hidden_layers &&
                    c.compress_ratios.size() == c.num_hidden_layers,
                "the attention schedule must have an entry for each of the {} layers, found {}",
                c.num_hidden_layers, std::min(c.layer_types.size(), c.compress_ratios.size()));
  rules.require(c.mlp_layer_types.size() == c.num_hidden_layers,
                "the MLP schedule must have an entry for each of the {} layers, found {}",
                c.num_hidden_layers, c.mlp_layer_types.size());
  for (std::size_t layer = 0; layer < std::min(c.layer_types.size(), c.compress_ratios.size());
       ++layer) {
    const std::size_t ratio = c.compress_ratios[layer];
    if (c.layer_types[layer] == AttentionType::sliding) {
      rules.require(ratio == 0, "the compression ratio of sliding layer {} must be 0, found {}",
                    layer, ratio);
    } else {
      rules.require(ratio >= 2 && ratio <= 65536,
                    "the compression ratio of layer {} must be between 2 and 65536, found {}",
                    layer, ratio);
    }
  }
}

void check_experts(const ModelConfig& c, ConfigRules& rules) {
  rules.in_range("n_routed_experts", c.n_routed_experts, 1, 8192);
  rules.in_range("num_experts_per_tok", c.num_experts_per_tok, 1,
                 std::min<std::size_t>(c.n_routed_experts, 1024));
  rules.in_range("n_shared_experts", c.n_shared_experts, 1, 64);
  rules.in_range("moe_intermediate_size", c.moe_intermediate_size, 1, 1u << 17);
  const std::size_t n_blocks = c.num_hidden_layers + c.num_nextn_predict_layers;
  rules.require(
      checked_mul(n_blocks, c.n_routed_experts).value_or(SIZE_MAX) <= kMaxRoutedExpertsInAll,
      "num_hidden_layers * n_routed_experts must be at most {}, found {} * {}",
      kMaxRoutedExpertsInAll, n_blocks, c.n_routed_experts);
}

void check_yarn(std::string_view key, const std::optional<YarnScaling>& yarn, ConfigRules& rules) {
  if (!yarn) return;
  rules.require(std::isfinite(yarn->factor) && yarn->factor >= 1.0 && yarn->factor <= 1e6,
                "{}.factor must be between 1 and 1e6, found {}", key, yarn->factor);
  rules.in_range(fmt::format("{}.original_max_position_embeddings", key),
                 yarn->original_max_position_embeddings, 1, 1u << 30);
  rules.positive(fmt::format("{}.beta_fast", key), yarn->beta_fast, 1e9);
  rules.positive(fmt::format("{}.beta_slow", key), yarn->beta_slow, 1e9);
  rules.require(!(yarn->beta_fast < yarn->beta_slow),
                "{}.beta_fast ({}) must not be below beta_slow ({})", key, yarn->beta_fast,
                yarn->beta_slow);
}

void check_numbers(const ModelConfig& c, ConfigRules& rules) {
  rules.require(std::isfinite(c.rope_theta) && c.rope_theta > 1.0 && c.rope_theta <= 1e15,
                "rope_theta must be above 1 and at most 1e15, found {}", c.rope_theta);
  rules.require(std::isfinite(c.compress_rope_theta) && c.compress_rope_theta > 1.0 &&
                    c.compress_rope_theta <= 1e15,
                "compress_rope_theta must be above 1 and at most 1e15, found {}",
                c.compress_rope_theta);
  rules.positive("rms_norm_eps", c.rms_norm_eps, 1.0);
  rules.positive("hc_eps", c.hc_eps, 1.0);
  rules.require(std::isfinite(c.routed_scaling_factor) && std::fabs(c.routed_scaling_factor) <= 1e6,
                "routed_scaling_factor must be finite and at most 1e6, found {}",
                c.routed_scaling_factor);
  rules.require(std::isfinite(c.swiglu_limit), "swiglu_limit must be finite, found {}",
                c.swiglu_limit);
}

}  // namespace

std::size_t ModelConfig::n_hash_layers() const {
  const auto first_score =
      std::find(mlp_layer_types.begin(), mlp_layer_types.end(), MlpType::score);
  return static_cast<std::size_t>(first_score - mlp_layer_types.begin());
}

Result<void> validate(const ModelConfig& config, std::string_view source) {
  ConfigRules rules;
  check_sizes(config, rules);
  check_attention(config, rules);
  check_schedule(config, rules);
  check_experts(config, rules);
  check_numbers(config, rules);
  check_yarn("rope_scaling", config.yarn, rules);
  check_yarn("rope_parameters.main", config.main_yarn, rules);
  if (config.world_model)
    check_world_model(*config.world_model, config.num_hidden_layers, config.vocab_size, rules);
  return rules.result(source);
}

}  // namespace hadal
