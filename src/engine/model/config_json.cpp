// config.json in its three forms: published, Hugging Face 5.x, inference/config.json
// (deepseek-v4.md section 1).
#include "engine/model/config.h"
#include "engine/model/config_reader.h"
#include "engine/model/world_model_config.h"
#include "formats/json_limits.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfigBytes = 4 * 1024 * 1024;

void read_sizes(KeyReader& in, ModelConfig& c) {
  c.vocab_size = in.size({"vocab_size"});
  c.hidden_size = in.size({"hidden_size", "dim"});
  c.num_hidden_layers = in.size({"num_hidden_layers", "n_layers"});
  c.num_attention_heads = in.size({"num_attention_heads", "n_heads"});
  c.head_dim = in.size({"head_dim"});
  c.q_lora_rank = in.size({"q_lora_rank"});
  c.o_groups = in.size({"o_groups"});
  c.o_lora_rank = in.size({"o_lora_rank"});
  c.sliding_window = in.size({"sliding_window", "window_size"}, 128);
  c.max_position_embeddings = in.size({"max_position_embeddings", "max_seq_len"}, 1048576);
  c.index_n_heads = in.size({"index_n_heads"}, 64);
  c.index_head_dim = in.size({"index_head_dim"}, 128);
  c.index_topk = in.size({"index_topk"}, 512);
  c.n_routed_experts = in.size({"n_routed_experts", "num_local_experts"});
  c.num_experts_per_tok = in.size({"num_experts_per_tok", "n_activated_experts"});
  c.n_shared_experts = in.size({"n_shared_experts"}, 1);
  c.moe_intermediate_size =
      in.size({"moe_intermediate_size", "moe_inter_dim", "intermediate_size"});
  c.hc_mult = in.size({"hc_mult"}, 4);
  c.hc_sinkhorn_iters = in.size({"hc_sinkhorn_iters"}, 20);
  c.num_nextn_predict_layers = in.size({"num_nextn_predict_layers", "n_mtp_layers"}, 0);
  c.bos_token_id = in.token_id("bos_token_id", 0);
  c.eos_token_id = in.token_id("eos_token_id", 1);
  c.pad_token_id = in.token_id("pad_token_id", 2);
  // One outside of the vocabulary names nothing: as if absent.
  if (static_cast<std::size_t>(c.pad_token_id) >= c.vocab_size) c.pad_token_id = 2;
}

void read_numbers(KeyReader& in, ModelConfig& c) {
  c.rms_norm_eps = in.number({"rms_norm_eps", "norm_eps"}, 1e-6);
  c.hc_eps = in.number({"hc_eps"}, 1e-6);
  c.routed_scaling_factor = in.number({"routed_scaling_factor", "route_scale"}, 1.5);
  c.swiglu_limit = in.number({"swiglu_limit"}, 10.0);
}

void read_scoring(KeyReader& in, ModelConfig& c) {
  const std::string name = in.text({"scoring_func", "score_func"}, "sqrtsoftplus");
  if (name == "sqrtsoftplus") {
    c.scoring_func = ScoringFunc::sqrtsoftplus;
  } else if (name == "sigmoid") {
    c.scoring_func = ScoringFunc::sigmoid;
  } else if (name == "softmax") {
    c.scoring_func = ScoringFunc::softmax;
  } else {
    in.fail(ErrorCode::unsupported, "scoring_func",
            fmt::format("expected sqrtsoftplus, sigmoid or softmax, found '{}'", name));
  }
}

/// Properties that other models of this ancestry have and that this graph does not.
void refuse_other_graphs(KeyReader& in) {
  const auto refuse = [&](std::string_view key, std::string_view expected, const auto& found) {
    in.fail(ErrorCode::unsupported, key, fmt::format("expected {}, found {}", expected, found));
  };
  if (const auto n = in.size({"num_key_value_heads"}, 1); n != 1)
    refuse("num_key_value_heads", "1", n);
  if (const auto act = in.text({"hidden_act"}, "silu"); act != "silu")
    refuse("hidden_act", "silu", act);
  if (const auto method = in.text({"topk_method"}, "noaux_tc"); method != "noaux_tc")
    refuse("topk_method", "noaux_tc", method);
  for (std::string_view key : {"attention_bias", "mlp_bias", "tie_word_embeddings"})
    if (in.boolean({key}, false)) refuse(key, "false", true);
  for (std::string_view key : {"n_group", "topk_group"})
    if (const auto n = in.size({key}, 1); n > 1) refuse(key, "no expert groups", n);
}

/// layer_types and compress_rates win over compress_ratios (section 1.2).
void read_layer_types(KeyReader& in, const json& names, ModelConfig& c) {
  std::size_t csa_rate = 4;
  std::size_t hca_rate = 128;
  if (const json* rates = in.find({"compress_rates"})) {
    if (!rates->is_object())
      return in.fail(ErrorCode::bad_format, "compress_rates",
                     fmt::format("expected an object, found {}", shown(*rates)));
    KeyReader inner(*rates, in.source(), "compress_rates.");
    csa_rate = inner.size({"compressed_sparse_attention"}, csa_rate);
    hca_rate = inner.size({"heavily_compressed_attention"}, hca_rate);
    in.merge(inner);
  }
  csa_rate = in.size({"compress_rate_csa"}, csa_rate);
  hca_rate = in.size({"compress_rate_hca"}, hca_rate);
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    const json& name = names[layer];
    if (name == "sliding_attention") {
      c.layer_types.push_back(AttentionType::sliding);
      c.compress_ratios.push_back(0);
    } else if (name == "compressed_sparse_attention") {
      c.layer_types.push_back(AttentionType::csa);
      c.compress_ratios.push_back(csa_rate);
    } else if (name == "heavily_compressed_attention") {
      c.layer_types.push_back(AttentionType::hca);
      c.compress_ratios.push_back(hca_rate);
    } else {
      return in.fail(ErrorCode::unsupported, "layer_types",
                     fmt::format("expected sliding_attention, compressed_sparse_attention or "
                                 "heavily_compressed_attention, found {}",
                                 shown(name)));
    }
  }
}

/// 0 is sliding, 4 is CSA, any other ratio above 1 is HCA with that rate. Entries past the last
/// layer are ignored.
void read_compress_ratios(KeyReader& in, const json& ratios, ModelConfig& c) {
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    const std::size_t ratio = in.to_size(ratios[layer], "compress_ratios");
    c.compress_ratios.push_back(ratio);
    c.layer_types.push_back(ratio == 0   ? AttentionType::sliding
                            : ratio == 4 ? AttentionType::csa
                                         : AttentionType::hca);
  }
}

void read_attention_schedule(KeyReader& in, ModelConfig& c) {
  const std::size_t n_layers = c.num_hidden_layers;
  if (const json* names = in.array("layer_types", n_layers)) return read_layer_types(in, *names, c);
  if (const json* ratios = in.array("compress_ratios", n_layers))
    return read_compress_ratios(in, *ratios, c);
  json names = json::array();  // the class default: two HCA layers, then HCA and CSA in turn
  for (std::size_t layer = 0; layer < n_layers; ++layer)
    names.push_back(layer >= 2 && layer % 2 == 1 ? "compressed_sparse_attention"
                                                 : "heavily_compressed_attention");
  read_layer_types(in, names, c);
}

void read_mlp_schedule(KeyReader& in, ModelConfig& c) {
  const std::size_t n_layers = c.num_hidden_layers;
  if (const json* names = in.array("mlp_layer_types", n_layers)) {
    for (std::size_t layer = 0; layer < n_layers; ++layer) {
      const json& name = (*names)[layer];
      if (name != "hash_moe" && name != "moe")
        return in.fail(ErrorCode::unsupported, "mlp_layer_types",
                       fmt::format("expected hash_moe or moe, found {}", shown(name)));
      c.mlp_layer_types.push_back(name == "hash_moe" ? MlpType::hash : MlpType::score);
    }
    return;
  }
  const std::size_t n_hash = std::min(in.size({"num_hash_layers", "n_hash_layers"}, 3), n_layers);
  c.mlp_layer_types.assign(n_layers, MlpType::score);
  std::fill_n(c.mlp_layer_types.begin(), n_hash, MlpType::hash);
}

/// One rope description: nothing for the default type, the scaling for yarn.
std::optional<YarnScaling> read_yarn(KeyReader& in, std::string_view key, const json& rope,
                                     std::size_t max_positions) {
  if (!rope.is_object()) {
    in.fail(ErrorCode::bad_format, key, fmt::format("expected an object, found {}", shown(rope)));
    return std::nullopt;
  }
  KeyReader inner(rope, in.source(), fmt::format("{}.", key));
  const std::string type = inner.text({"rope_type", "type"}, "default");
  std::optional<YarnScaling> yarn;
  if (type == "yarn") {
    yarn = YarnScaling{};
    if (inner.find({"factor"}) == nullptr)
      inner.fail(ErrorCode::not_found, "factor", "yarn needs this key");
    yarn->factor = inner.number({"factor"}, 1.0);
    yarn->original_max_position_embeddings =
        inner.size({"original_max_position_embeddings"}, max_positions);
    yarn->beta_fast = inner.number({"beta_fast"}, 32.0);
    yarn->beta_slow = inner.number({"beta_slow"}, 1.0);
    if (const double f = inner.number({"attention_factor"}, 1.0); f != 1.0)
      inner.fail(ErrorCode::unsupported, "attention_factor",
                 fmt::format("expected 1, found {}", f));
  } else if (type != "default") {
    inner.fail(ErrorCode::unsupported, "rope_type",
               fmt::format("expected default or yarn, found '{}'", type));
  }
  in.merge(inner);
  return yarn;
}

/// The Hugging Face form {main: {...}, compress: {...}}.
void read_nested_rope(KeyReader& in, const json& rope, ModelConfig& c) {
  KeyReader main(rope["main"], in.source(), "rope_parameters.main.");
  c.rope_theta = main.number({"rope_theta"}, c.rope_theta);
  in.merge(main);
  c.main_yarn = read_yarn(in, "rope_parameters.main", rope["main"], c.max_position_embeddings);
  KeyReader compress(rope["compress"], in.source(), "rope_parameters.compress.");
  c.compress_rope_theta = compress.number({"rope_theta"}, c.compress_rope_theta);
  in.merge(compress);
  c.yarn = read_yarn(in, "rope_parameters.compress", rope["compress"], c.max_position_embeddings);
}

bool is_nested_rope(const json& rope) {
  if (!rope.is_object()) return false;
  const auto main = rope.find("main");
  const auto compress = rope.find("compress");
  return main != rope.end() && main->is_object() && compress != rope.end() && compress->is_object();
}

void read_rope(KeyReader& in, ModelConfig& c) {
  c.rope_theta = in.number({"rope_theta"}, 10000.0);
  c.compress_rope_theta = in.number({"compress_rope_theta"}, 160000.0);
  if (const json* rope = in.find({"rope_parameters"})) {
    if (is_nested_rope(*rope)) return read_nested_rope(in, *rope, c);
    c.yarn = read_yarn(in, "rope_parameters", *rope, c.max_position_embeddings);
  } else if (const json* scaling = in.find({"rope_scaling"})) {
    c.yarn = read_yarn(in, "rope_scaling", *scaling, c.max_position_embeddings);
  } else if (const std::size_t original = in.size({"original_seq_len"}, 0);
             original > 0) {  // inference/config.json
    c.yarn = YarnScaling{.factor = in.number({"rope_factor"}, 40.0),
                         .original_max_position_embeddings = original,
                         .beta_fast = in.number({"beta_fast"}, 32.0),
                         .beta_slow = in.number({"beta_slow"}, 1.0)};
  }
}

/// partial_rotary_factor wins over qk_rope_head_dim, as in transformers; 1/8 of the head when both
/// are absent.
void read_rope_dims(KeyReader& in, ModelConfig& c) {
  double factor = in.number({"partial_rotary_factor"}, 0.0);
  if (factor == 0.0) {
    if (const json* rope = in.find({"rope_parameters"}); rope != nullptr && is_nested_rope(*rope)) {
      KeyReader main((*rope)["main"], in.source(), "rope_parameters.main.");
      if (in.find({"qk_rope_head_dim", "rope_head_dim"}) == nullptr)
        factor = main.number({"partial_rotary_factor"}, 0.0);
      in.merge(main);
    }
  }
  if (factor == 0.0 && in.find({"qk_rope_head_dim", "rope_head_dim"}) != nullptr) {
    c.qk_rope_head_dim = in.size({"qk_rope_head_dim", "rope_head_dim"});
    return;
  }
  if (factor == 0.0) factor = 64.0 / 512.0;
  if (!(factor > 0.0 && factor <= 1.0)) {
    in.fail(ErrorCode::invalid_argument, "partial_rotary_factor",
            fmt::format("expected a number above 0 and at most 1, found {}", factor));
    return;
  }
  c.qk_rope_head_dim = static_cast<std::size_t>(static_cast<double>(c.head_dim) * factor);
}

Error unsupported_architecture(std::string_view source, std::string_view found) {
  if (found == "deepseek_v41" || found.starts_with("DeepseekV41"))
    return error(ErrorCode::unsupported,
                 "{}: this is a DeepSeek-V4.1 model ('{}'), a different graph that Hadal cannot "
                 "run; use a DeepSeek-V4 "
                 "checkpoint (deepseek_v4)",
                 source, found);
  return error(ErrorCode::unsupported, "{}: expected a model of type deepseek_v4, found '{}'",
               source, found);
}

Result<void> check_architecture(KeyReader& in) {
  if (const std::string type = in.text({"model_type"}, "deepseek_v4"); type != "deepseek_v4")
    return unsupported_architecture(in.source(), type);
  const json* architectures = in.find({"architectures"});
  if (architectures == nullptr) return {};
  if (!architectures->is_array()) {
    in.fail(ErrorCode::bad_format, "architectures",
            fmt::format("expected an array, found {}", shown(*architectures)));
    return {};
  }
  for (const json& name : *architectures)
    if (!name.is_string() || !name.get<std::string>().starts_with("DeepseekV4") ||
        name.get<std::string>().starts_with("DeepseekV41"))
      return unsupported_architecture(in.source(),
                                      name.is_string() ? name.get<std::string>() : shown(name));
  return {};
}

// ---- writing

using nlohmann::ordered_json;

std::string_view layer_type_name(AttentionType type) {
  switch (type) {
    case AttentionType::sliding:
      return "sliding_attention";
    case AttentionType::csa:
      return "compressed_sparse_attention";
    case AttentionType::hca:
      return "heavily_compressed_attention";
  }
  return {};
}

std::string_view scoring_name(ScoringFunc scoring) {
  switch (scoring) {
    case ScoringFunc::sqrtsoftplus:
      return "sqrtsoftplus";
    case ScoringFunc::sigmoid:
      return "sigmoid";
    case ScoringFunc::softmax:
      return "softmax";
  }
  return {};
}

ordered_json yarn_json(std::string_view type_key, const std::optional<YarnScaling>& yarn) {
  ordered_json out;
  out[std::string(type_key)] = yarn ? "yarn" : "default";
  if (!yarn) return out;
  out["factor"] = yarn->factor;
  out["original_max_position_embeddings"] = yarn->original_max_position_embeddings;
  out["beta_fast"] = yarn->beta_fast;
  out["beta_slow"] = yarn->beta_slow;
  return out;
}

/// compress_ratios says everything about published models. Other rates need the form with names,
/// which has one rate per type (and which other programs read for rates that are not 4 or 128).
bool needs_layer_types(const ModelConfig& c) {
  bool published = true;
  std::optional<std::size_t> hca_rate;
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    const std::size_t ratio = c.compress_ratios[layer];
    if (c.layer_types[layer] == AttentionType::csa) published &= ratio == 4;
    if (c.layer_types[layer] != AttentionType::hca) continue;
    published &= ratio == 128;
    if (hca_rate && *hca_rate != ratio) return false;
    hca_rate = ratio;
  }
  return !published;
}

void write_schedules(const ModelConfig& c, ordered_json& out) {
  std::vector<std::size_t> ratios = c.compress_ratios;
  ratios.resize(ratios.size() + c.num_nextn_predict_layers, 0);  // the MTP block counts as ratio 0
  out["compress_ratios"] = ratios;
  out["num_hash_layers"] = c.n_hash_layers();
  if (needs_layer_types(c)) {
    ordered_json names = ordered_json::array();
    ordered_json rates = {{"compressed_sparse_attention", 4},
                          {"heavily_compressed_attention", 128}};
    for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
      const std::string name(layer_type_name(c.layer_types[layer]));
      names.push_back(name);
      if (c.layer_types[layer] != AttentionType::sliding) rates[name] = c.compress_ratios[layer];
    }
    out["layer_types"] = names;
    out["compress_rates"] = rates;
  }
  const auto is_hash = [](MlpType type) { return type == MlpType::hash; };
  const auto n_hash = std::count_if(c.mlp_layer_types.begin(), c.mlp_layer_types.end(), is_hash);
  if (static_cast<std::size_t>(n_hash) != c.n_hash_layers()) {
    ordered_json names = ordered_json::array();
    for (MlpType type : c.mlp_layer_types) names.push_back(is_hash(type) ? "hash_moe" : "moe");
    out["mlp_layer_types"] = names;
  }
}

void write_rope(const ModelConfig& c, ordered_json& out) {
  out["rope_theta"] = c.rope_theta;
  out["compress_rope_theta"] = c.compress_rope_theta;
  if (c.main_yarn) {
    ordered_json main = yarn_json("rope_type", c.main_yarn);
    main["rope_theta"] = c.rope_theta;
    ordered_json compress = yarn_json("rope_type", c.yarn);
    compress["rope_theta"] = c.compress_rope_theta;
    out["rope_parameters"] = {{"main", main}, {"compress", compress}};
  } else if (c.yarn) {
    out["rope_scaling"] = yarn_json("type", c.yarn);
  }
}

void write_weight_types(WeightTypes types, ordered_json& out) {
  out["torch_dtype"] = types == WeightTypes::f32 ? "float32" : "bfloat16";
  if (types != WeightTypes::native) return;
  out["expert_dtype"] = "fp4";
  out["quantization_config"] = {{"quant_method", "fp8"},
                                {"fmt", "e4m3"},
                                {"scale_fmt", "ue8m0"},
                                {"weight_block_size", {128, 128}},
                                {"activation_scheme", "dynamic"}};
}

}  // namespace

Result<ModelConfig> parse_config(std::string_view json_text, std::string_view source) {
  HADAL_ASSIGN(const json object, parse_json(json_text, source, {.max_bytes = kMaxConfigBytes}));
  if (!object.is_object())
    return error(ErrorCode::bad_format, "{}: expected a JSON object, found {}", source,
                 shown(object));
  KeyReader in(object, source);
  HADAL_TRY(check_architecture(in));

  ModelConfig config;
  read_sizes(in, config);
  read_numbers(in, config);
  read_scoring(in, config);
  read_rope(in, config);
  read_rope_dims(in, config);
  refuse_other_graphs(in);
  if (in.first_error()) return *in.first_error();
  if (config.num_hidden_layers > 1024)
    return validate(config, source).error();  // before lists of that length
  read_attention_schedule(in, config);
  read_mlp_schedule(in, config);
  if (in.first_error()) return *in.first_error();
  if (const json* world_model = in.find({"world_model"})) {
    HADAL_ASSIGN(config.world_model,
                 parse_world_model(*world_model, config.num_hidden_layers, source));
  }
  HADAL_TRY(validate(config, source));
  return config;
}

std::string to_config_json(const ModelConfig& c, WeightTypes types) {
  ordered_json out;
  out["architectures"] = {"DeepseekV4ForCausalLM"};
  out["model_type"] = "deepseek_v4";
  out["vocab_size"] = c.vocab_size;
  out["hidden_size"] = c.hidden_size;
  out["num_hidden_layers"] = c.num_hidden_layers;
  out["num_attention_heads"] = c.num_attention_heads;
  out["num_key_value_heads"] = 1;
  out["head_dim"] = c.head_dim;
  out["qk_rope_head_dim"] = c.qk_rope_head_dim;
  out["q_lora_rank"] = c.q_lora_rank;
  out["o_groups"] = c.o_groups;
  out["o_lora_rank"] = c.o_lora_rank;
  out["sliding_window"] = c.sliding_window;
  out["max_position_embeddings"] = c.max_position_embeddings;
  write_schedules(c, out);
  write_rope(c, out);
  out["index_n_heads"] = c.index_n_heads;
  out["index_head_dim"] = c.index_head_dim;
  out["index_topk"] = c.index_topk;
  out["n_routed_experts"] = c.n_routed_experts;
  out["num_experts_per_tok"] = c.num_experts_per_tok;
  out["n_shared_experts"] = c.n_shared_experts;
  out["moe_intermediate_size"] = c.moe_intermediate_size;
  out["scoring_func"] = scoring_name(c.scoring_func);
  out["topk_method"] = "noaux_tc";
  out["norm_topk_prob"] = true;
  out["routed_scaling_factor"] = c.routed_scaling_factor;
  out["swiglu_limit"] = c.swiglu_limit;
  out["hc_mult"] = c.hc_mult;
  out["hc_sinkhorn_iters"] = c.hc_sinkhorn_iters;
  out["hc_eps"] = c.hc_eps;
  out["rms_norm_eps"] = c.rms_norm_eps;
  out["hidden_act"] = "silu";
  out["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
  out["attention_bias"] = false;
  out["attention_dropout"] = 0.0;
  out["tie_word_embeddings"] = false;
  out["bos_token_id"] = c.bos_token_id;
  out["eos_token_id"] = c.eos_token_id;
  if (static_cast<std::size_t>(c.pad_token_id) < c.vocab_size) out["pad_token_id"] = c.pad_token_id;
  if (c.world_model) out["world_model"] = world_model_json(*c.world_model);
  write_weight_types(types, out);
  return out.dump(2) + "\n";
}

}  // namespace hadal
