// The metadata of GGUF files of architecture deepseek4 (deepseek-v4.md 9.1 and 9.3), read and
// written.
#include "engine/model/config_gguf.h"

#include "formats/gguf.h"
#include "formats/gguf_writer.h"

#include <algorithm>
#include <cstdlib>

namespace hadal {
namespace {

constexpr std::string_view kPrefix = "deepseek4.";

std::string full_key(std::string_view key) {
  return fmt::format("{}{}", kPrefix, key);
}

/// The double that the shortest decimal text of `value` means: 1e-6f becomes 1e-6, as config.json
/// has it.
double decimal_value(float value) {
  return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

/// Typed look-ups; the first error is kept.
class MetadataReader {
 public:
  explicit MetadataReader(const GgufFile& file) : file_(file) {}

  bool has(std::string_view key) const { return file_.find(full_key(key)) != nullptr; }

  std::size_t size(std::string_view key, std::optional<std::size_t> fallback = std::nullopt) {
    if (fallback && !has(key)) return *fallback;
    const auto value = file_.require_u32(full_key(key));
    if (value) return *value;
    keep(value.error());
    return 0;
  }

  double number(std::string_view key, std::optional<double> fallback = std::nullopt) {
    if (fallback && !has(key)) return *fallback;
    const auto value = file_.require_f32(full_key(key));
    if (value) return decimal_value(*value);
    keep(value.error());
    return 0.0;
  }

  /// A number that may be stored once or once per layer; all layers must agree.
  std::optional<double> uniform_number(std::string_view key) {
    if (!has(key)) return std::nullopt;
    const auto list = file_.find_f32_array(full_key(key));
    if (!list) return number(key);
    if (list->empty()) return std::nullopt;
    for (float value : *list)
      if (value != list->front())
        fail(ErrorCode::unsupported, key,
             fmt::format("expected the same value for all layers, found {} and {}", list->front(),
                         value));
    return decimal_value(list->front());
  }

  /// One value per layer; a scalar serves for all layers.
  std::vector<std::uint32_t> per_layer(std::string_view key, std::size_t n_layers) {
    if (const auto scalar = file_.find_u32(full_key(key)))
      return std::vector<std::uint32_t>(n_layers, *scalar);
    auto list = file_.require_u32_array(full_key(key));
    if (!list) {
      keep(list.error());
      return std::vector<std::uint32_t>(n_layers, 0);
    }
    if (list->size() < n_layers) {
      fail(ErrorCode::bad_format, key,
           fmt::format("expected an entry for each of the {} layers, found {}", n_layers,
                       list->size()));
      list->resize(n_layers);
    }
    return std::move(list).value();
  }

  std::string text(std::string_view key, std::string_view fallback) {
    if (!has(key)) return std::string(fallback);
    const auto value = file_.require_string(full_key(key));
    if (value) return std::string(*value);
    keep(value.error());
    return std::string(fallback);
  }

  void fail(ErrorCode code, std::string_view key, std::string_view what) {
    keep(error(code, "{}: key '{}': {}", file_.source(), full_key(key), what));
  }
  const GgufFile& file() const { return file_; }
  const std::optional<Error>& first_error() const { return error_; }

 private:
  void keep(Error e) {
    if (!error_) error_ = std::move(e);
  }

  const GgufFile& file_;
  std::optional<Error> error_;
};

Result<void> check_architecture(const GgufFile& file) {
  HADAL_ASSIGN(const std::string_view name, file.require_string("general.architecture"));
  if (name == "deepseek4") return {};
  if (name == "deepseek41")
    return error(ErrorCode::unsupported,
                 "{}: this is a DeepSeek-V4.1 model ('{}'), a different graph that Hadal cannot "
                 "run; use a DeepSeek-V4 "
                 "file (deepseek4)",
                 file.source(), name);
  return error(ErrorCode::unsupported, "{}: expected general.architecture 'deepseek4', found '{}'",
               file.source(), name);
}

/// Files with an MTP block inside count it in block_count or not, depending on the converter.
std::size_t count_layers(MetadataReader& in, std::size_t n_mtp) {
  const std::size_t n_blocks = in.size("block_count");
  if (n_mtp == 0 || n_mtp >= n_blocks) return n_blocks;
  const std::string name = fmt::format("blk.{}.nextn.hnorm.weight", n_blocks - n_mtp);
  return in.file().find_tensor(name) != nullptr ? n_blocks - n_mtp : n_blocks;
}

std::size_t read_vocab_size(MetadataReader& in) {
  if (in.has("vocab_size")) return in.size("vocab_size");
  if (const auto* tensor = in.file().find_tensor("token_embd.weight");
      tensor != nullptr && tensor->dims.size() == 2)
    return tensor->dims[1];
  return in.size("vocab_size");  // says that it is missing
}

void read_attention(MetadataReader& in, ModelConfig& c) {
  c.num_attention_heads = in.size("attention.head_count");
  c.head_dim = in.size("attention.key_length");
  c.qk_rope_head_dim = in.size("rope.dimension_count");
  c.q_lora_rank = in.size("attention.q_lora_rank");
  c.o_groups = in.size("attention.output_group_count");
  c.o_lora_rank = in.size("attention.output_lora_rank");
  c.sliding_window = in.size("attention.sliding_window");
  c.index_n_heads = in.size("attention.indexer.head_count", 64);
  c.index_head_dim = in.size("attention.indexer.key_length", 128);
  c.index_topk = in.size("attention.indexer.top_k", 512);
  if (const auto n = in.size("attention.head_count_kv", 1); n != 1)
    in.fail(ErrorCode::unsupported, "attention.head_count_kv",
            fmt::format("expected 1, found {}", n));
  if (const auto n = in.size("attention.value_length", c.head_dim); n != c.head_dim)
    in.fail(ErrorCode::unsupported, "attention.value_length",
            fmt::format("expected {} (keys serve as values), found {}", c.head_dim, n));
}

void read_schedule(MetadataReader& in, ModelConfig& c) {
  const auto ratios = in.per_layer("attention.compress_ratios", c.num_hidden_layers);
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    c.compress_ratios.push_back(ratios[layer]);
    c.layer_types.push_back(ratios[layer] == 0   ? AttentionType::sliding
                            : ratios[layer] == 4 ? AttentionType::csa
                                                 : AttentionType::hca);
  }
  c.mlp_layer_types.assign(c.num_hidden_layers, MlpType::score);
  std::fill_n(c.mlp_layer_types.begin(),
              std::min(in.size("hash_layer_count", 0), c.num_hidden_layers), MlpType::hash);
}

void read_rope(MetadataReader& in, ModelConfig& c) {
  c.rope_theta = in.number("rope.freq_base", 10000.0);
  c.compress_rope_theta = in.number("attention.compress_rope_freq_base", 160000.0);
  const std::string type = in.text("rope.scaling.type", "none");
  if (type == "yarn") {
    c.yarn = YarnScaling{.factor = in.number("rope.scaling.factor"),
                         .original_max_position_embeddings = in.size(
                             "rope.scaling.original_context_length", c.max_position_embeddings),
                         .beta_fast = in.number("rope.scaling.yarn_beta_fast", 32.0),
                         .beta_slow = in.number("rope.scaling.yarn_beta_slow", 1.0)};
  } else if (type != "none") {
    in.fail(ErrorCode::unsupported, "rope.scaling.type",
            fmt::format("expected yarn or none, found '{}'", type));
  }
}

void read_scoring(MetadataReader& in, ModelConfig& c) {
  switch (const std::size_t id = in.size("expert_gating_func", 4)) {
    case 1:
      c.scoring_func = ScoringFunc::softmax;
      break;
    case 2:
      c.scoring_func = ScoringFunc::sigmoid;
      break;
    case 4:
      c.scoring_func = ScoringFunc::sqrtsoftplus;
      break;
    default:
      in.fail(ErrorCode::unsupported, "expert_gating_func",
              fmt::format("expected 4 (or 1, 2), found {}", id));
  }
}

void read_experts(MetadataReader& in, ModelConfig& c) {
  c.n_routed_experts = in.size("expert_count");
  c.num_experts_per_tok = in.size("expert_used_count");
  c.n_shared_experts = in.size("expert_shared_count", 1);
  c.moe_intermediate_size = in.size("expert_feed_forward_length");
  c.routed_scaling_factor = in.number("expert_weights_scale", 1.5);
  c.swiglu_limit = in.uniform_number("swiglu_clamp_exp").value_or(10.0);
  if (const auto shared = in.uniform_number("swiglu_clamp_shexp");
      shared && *shared != c.swiglu_limit)
    in.fail(ErrorCode::unsupported, "swiglu_clamp_shexp",
            fmt::format("expected {}, the value of swiglu_clamp_exp, found {}", c.swiglu_limit,
                        *shared));
  if (const auto n = in.size("expert_group_count", 0); n > 1)
    in.fail(ErrorCode::unsupported, "expert_group_count",
            fmt::format("expected no groups, found {}", n));
  read_scoring(in, c);
}

std::int32_t token_id(const GgufFile& file, std::string_view key, std::int32_t fallback) {
  const auto id = file.find_i64(key);
  return id && *id >= 0 && *id <= INT32_MAX ? static_cast<std::int32_t>(*id) : fallback;
}

std::uint32_t scoring_id(ScoringFunc scoring) {
  switch (scoring) {
    case ScoringFunc::softmax:
      return 1;
    case ScoringFunc::sigmoid:
      return 2;
    case ScoringFunc::sqrtsoftplus:
      return 4;
  }
  return 0;
}

}  // namespace

Result<ModelConfig> config_from_gguf(const GgufFile& file) {
  HADAL_TRY(check_architecture(file));
  MetadataReader in(file);
  ModelConfig c;
  c.num_nextn_predict_layers = in.size("nextn_predict_layers", 0);
  c.num_hidden_layers = count_layers(in, c.num_nextn_predict_layers);
  c.vocab_size = read_vocab_size(in);
  c.hidden_size = in.size("embedding_length");
  c.max_position_embeddings = in.size("context_length", 1048576);
  c.hc_mult = in.size("hyper_connection.count", 4);
  c.hc_sinkhorn_iters = in.size("hyper_connection.sinkhorn_iterations", 20);
  c.hc_eps = in.number("hyper_connection.epsilon", 1e-6);
  c.rms_norm_eps = in.number("attention.layer_norm_rms_epsilon", 1e-6);
  read_attention(in, c);
  read_rope(in, c);
  read_experts(in, c);
  c.bos_token_id = token_id(file, "tokenizer.ggml.bos_token_id", 0);
  c.eos_token_id = token_id(file, "tokenizer.ggml.eos_token_id", 1);
  c.pad_token_id = token_id(file, "tokenizer.ggml.padding_token_id", 2);
  // One outside of the vocabulary names nothing: as if absent.
  if (static_cast<std::size_t>(c.pad_token_id) >= c.vocab_size) c.pad_token_id = 2;
  if (in.first_error()) return *in.first_error();
  if (c.num_hidden_layers > 1024)
    return validate(c, file.source()).error();  // before lists of that length
  read_schedule(in, c);
  if (in.first_error()) return *in.first_error();
  HADAL_TRY(validate(c, file.source()));
  return c;
}

Result<void> check_gguf_can_hold(const ModelConfig& c) {
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer)
    if ((c.layer_types[layer] == AttentionType::csa) != (c.compress_ratios[layer] == 4))
      return error(ErrorCode::unsupported,
                   "GGUF cannot say that layer {} compresses at rate {} this way: in "
                   "attention.compress_ratios 4 means "
                   "CSA and every other rate HCA; use --format safetensors",
                   layer, c.compress_ratios[layer]);
  const auto n_hash = std::count(c.mlp_layer_types.begin(), c.mlp_layer_types.end(), MlpType::hash);
  if (static_cast<std::size_t>(n_hash) != c.n_hash_layers())
    return error(ErrorCode::unsupported,
                 "GGUF cannot say that hash layers follow score layers (hash_layer_count); use "
                 "--format safetensors");
  if (c.world_model)
    return error(
        ErrorCode::unsupported,
        "GGUF has no keys and names for the world model (world_model.*), and a reader that "
        "ignores it computes another model; use --format safetensors");
  if (c.main_yarn)
    return error(ErrorCode::unsupported,
                 "GGUF cannot say that the main rope table uses YaRN; use --format safetensors");
  return {};
}

void add_config_metadata(const ModelConfig& c, std::size_t n_blocks, GgufWriter& out) {
  const auto u32 = [&](std::string_view key, std::size_t value) {
    out.add_u32(full_key(key), static_cast<std::uint32_t>(value));
  };
  const auto f32 = [&](std::string_view key, double value) {
    out.add_f32(full_key(key), static_cast<float>(value));
  };
  out.add_string("general.architecture", "deepseek4");
  u32("block_count", n_blocks);
  u32("context_length", c.max_position_embeddings);
  u32("embedding_length", c.hidden_size);
  u32("embedding_length_out", c.hidden_size * c.hc_mult);
  u32("vocab_size", c.vocab_size);
  u32("attention.head_count", c.num_attention_heads);
  u32("attention.head_count_kv", 1);
  u32("attention.key_length", c.head_dim);
  u32("attention.value_length", c.head_dim);
  f32("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  u32("attention.q_lora_rank", c.q_lora_rank);
  u32("attention.output_lora_rank", c.o_lora_rank);
  u32("attention.output_group_count", c.o_groups);
  u32("attention.sliding_window", c.sliding_window);
  std::vector<std::int32_t> ratios(c.compress_ratios.begin(), c.compress_ratios.end());
  ratios.resize(std::max(n_blocks, c.num_hidden_layers), 0);
  out.add_i32_array(full_key("attention.compress_ratios"), ratios);
  f32("attention.compress_rope_freq_base", c.compress_rope_theta);
  u32("attention.indexer.head_count", c.index_n_heads);
  u32("attention.indexer.key_length", c.index_head_dim);
  u32("attention.indexer.top_k", c.index_topk);
  u32("rope.dimension_count", c.qk_rope_head_dim);
  f32("rope.freq_base", c.rope_theta);
  if (c.yarn) {
    out.add_string(full_key("rope.scaling.type"), "yarn");
    f32("rope.scaling.factor", c.yarn->factor);
    u32("rope.scaling.original_context_length", c.yarn->original_max_position_embeddings);
    f32("rope.scaling.yarn_beta_fast", c.yarn->beta_fast);
    f32("rope.scaling.yarn_beta_slow", c.yarn->beta_slow);
  }
  u32("expert_count", c.n_routed_experts);
  u32("expert_used_count", c.num_experts_per_tok);
  u32("expert_shared_count", c.n_shared_experts);
  u32("expert_feed_forward_length", c.moe_intermediate_size);
  f32("expert_weights_scale", c.routed_scaling_factor);
  out.add_bool(full_key("expert_weights_norm"), true);
  u32("expert_gating_func", scoring_id(c.scoring_func));
  u32("hash_layer_count", c.n_hash_layers());
  const std::vector<float> limits(n_blocks, static_cast<float>(c.swiglu_limit));
  out.add_f32_array(full_key("swiglu_clamp_exp"), limits);
  out.add_f32_array(full_key("swiglu_clamp_shexp"), limits);
  u32("hyper_connection.count", c.hc_mult);
  u32("hyper_connection.sinkhorn_iterations", c.hc_sinkhorn_iters);
  f32("hyper_connection.epsilon", c.hc_eps);
  if (n_blocks > c.num_hidden_layers) u32("nextn_predict_layers", n_blocks - c.num_hidden_layers);
}

void carry_metadata(const GgufFile& from, GgufWriter& out) {
  for (const std::string& key : from.keys()) {
    const bool is_layout = key.starts_with("split.") || key == "general.alignment";
    if (key.empty() || is_layout || key.starts_with("deepseek4.") || out.has(key)) continue;
    out.add_value(key, *from.find(key));
  }
}

}  // namespace hadal
