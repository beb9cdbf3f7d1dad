#include "engine/model/config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace hadal {
namespace {

using nlohmann::json;

/// The published form, shape of appendix A.2.
json g1() {
  return json::parse(R"({
    "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "vocab_size": 50, "hidden_size": 32,
    "num_hidden_layers": 4, "compress_ratios": [0, 4, 128, 4, 0], "num_attention_heads": 4, "num_key_value_heads": 1,
    "head_dim": 32, "qk_rope_head_dim": 8, "q_lora_rank": 24, "o_groups": 2, "o_lora_rank": 12, "sliding_window": 16,
    "rope_theta": 10000, "compress_rope_theta": 160000, "max_position_embeddings": 1024,
    "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1},
    "index_n_heads": 32, "index_head_dim": 16, "index_topk": 5, "n_routed_experts": 6, "num_experts_per_tok": 3,
    "n_shared_experts": 1, "moe_intermediate_size": 24, "num_hash_layers": 1, "scoring_func": "sqrtsoftplus",
    "topk_method": "noaux_tc", "norm_topk_prob": true, "routed_scaling_factor": 2.5, "swiglu_limit": 0.6, "hc_mult": 4,
    "hc_sinkhorn_iters": 20, "hc_eps": 1e-3, "rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_bias": false,
    "tie_word_embeddings": false, "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1})");
}

ModelConfig parsed(const json& object) {
  auto config = parse_config(object.dump(), "config.json");
  if (!config) {
    ADD_FAILURE() << config.error().message;
    return {};
  }
  return *config;
}

/// The message of the error that parsing must give.
std::string refusal(const json& object, ErrorCode code) {
  const auto config = parse_config(object.dump(), "config.json");
  if (config) {
    ADD_FAILURE() << "accepted: " << object.dump();
    return {};
  }
  EXPECT_EQ(config.error().code, code) << config.error().message;
  return config.error().message;
}

void expect_contains(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << "expected '" << part << "' in: " << text;
}

TEST(ParseConfig, ReadsThePublishedForm) {
  const ModelConfig c = parsed(g1());

  EXPECT_EQ(c.hidden_size, 32u);
  EXPECT_EQ(c.compress_ratios, (std::vector<std::size_t>{0, 4, 128, 4}));
  EXPECT_EQ(c.layer_types, (std::vector{AttentionType::sliding, AttentionType::csa,
                                        AttentionType::hca, AttentionType::csa}));
  EXPECT_EQ(c.mlp_layer_types,
            (std::vector{MlpType::hash, MlpType::score, MlpType::score, MlpType::score}));
  ASSERT_TRUE(c.yarn.has_value());
  EXPECT_EQ(c.yarn->original_max_position_embeddings, 64u);
  EXPECT_EQ(c.yarn->factor, 16.0);
  EXPECT_FALSE(c.main_yarn.has_value());
  EXPECT_EQ(c.hc_eps, 1e-3);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_EQ(c.num_nextn_predict_layers, 1u);
  EXPECT_EQ(c.pad_token_id, 2);
}

TEST(ParseConfig, IgnoresScheduleEntriesPastTheLastLayer) {
  json object = g1();
  object["compress_ratios"] = {0, 4, 128, 4, 0, 0, 0};  // DSpark configs have three more

  EXPECT_EQ(parsed(object).layer_types.size(), 4u);
}

TEST(ParseConfig, ReadsTheHuggingFaceForm) {
  json object = g1();
  for (const char* key :
       {"compress_ratios", "num_hash_layers", "qk_rope_head_dim", "rope_scaling",
        "n_routed_experts", "moe_intermediate_size", "rope_theta", "compress_rope_theta"})
    object.erase(key);
  object["layer_types"] = {"sliding_attention", "compressed_sparse_attention",
                           "heavily_compressed_attention", "compressed_sparse_attention"};
  object["compress_rates"] = {{"compressed_sparse_attention", 8},
                              {"heavily_compressed_attention", 16}};
  object["mlp_layer_types"] = {"moe", "hash_moe", "moe", "moe"};
  object["partial_rotary_factor"] = 0.25;
  object["num_local_experts"] = 6;
  object["intermediate_size"] = 24;
  object["rope_parameters"] = {
      {"main", {{"rope_type", "default"}, {"rope_theta", 5000.0}, {"partial_rotary_factor", 0.25}}},
      {"compress",
       {{"rope_type", "yarn"},
        {"rope_theta", 70000.0},
        {"factor", 8.0},
        {"attention_factor", 1.0},
        {"original_max_position_embeddings", 64}}}};

  const ModelConfig c = parsed(object);

  EXPECT_EQ(c.compress_ratios, (std::vector<std::size_t>{0, 8, 16, 8}));
  EXPECT_EQ(c.layer_types[1], AttentionType::csa);
  EXPECT_EQ(c.mlp_layer_types[0], MlpType::score);
  EXPECT_EQ(c.mlp_layer_types[1], MlpType::hash);
  EXPECT_EQ(c.qk_rope_head_dim, 8u);
  EXPECT_EQ(c.n_routed_experts, 6u);
  EXPECT_EQ(c.moe_intermediate_size, 24u);
  EXPECT_EQ(c.rope_theta, 5000.0);
  EXPECT_EQ(c.compress_rope_theta, 70000.0);
  ASSERT_TRUE(c.yarn.has_value());
  EXPECT_EQ(c.yarn->factor, 8.0);
  EXPECT_EQ(c.yarn->beta_fast, 32.0);
}

TEST(ParseConfig, LayerTypesWinOverCompressRatiosAndScalarRatesOverTheTable) {
  json object = g1();
  object["layer_types"] = json::array();
  for (int i = 0; i < 4; ++i) object["layer_types"].push_back("heavily_compressed_attention");
  object["compress_rates"] = {{"heavily_compressed_attention", 16}};
  object["compress_rate_hca"] = 32;

  EXPECT_EQ(parsed(object).compress_ratios, (std::vector<std::size_t>{32, 32, 32, 32}));
}

TEST(ParseConfig, ReadsTheInferenceForm) {
  const json object = json::parse(R"({
    "vocab_size": 129280, "dim": 4096, "moe_inter_dim": 2048, "n_layers": 3, "n_hash_layers": 3, "n_mtp_layers": 1,
    "n_heads": 64, "n_routed_experts": 256, "n_shared_experts": 1, "n_activated_experts": 6,
    "score_func": "sqrtsoftplus", "route_scale": 1.5, "swiglu_limit": 10.0, "q_lora_rank": 1024, "head_dim": 512,
    "rope_head_dim": 64, "norm_eps": 1e-6, "o_groups": 8, "o_lora_rank": 1024, "window_size": 128,
    "original_seq_len": 65536, "rope_theta": 10000, "rope_factor": 16, "beta_fast": 32, "beta_slow": 1,
    "index_n_heads": 64, "index_head_dim": 128, "index_topk": 512, "hc_mult": 4, "hc_sinkhorn_iters": 20,
    "hc_eps": 1e-6, "dtype": "fp8", "compress_rope_theta": 160000.0, "compress_ratios": [0, 0, 4, 0]})");

  const ModelConfig c = parsed(object);

  EXPECT_EQ(c.hidden_size, 4096u);
  EXPECT_EQ(c.num_experts_per_tok, 6u);
  EXPECT_EQ(c.qk_rope_head_dim, 64u);
  EXPECT_EQ(c.sliding_window, 128u);
  ASSERT_TRUE(c.yarn.has_value());
  EXPECT_EQ(c.yarn->factor, 16.0);
  EXPECT_EQ(c.yarn->original_max_position_embeddings, 65536u);
}

TEST(ParseConfig, DefaultScheduleIsTheClassDefault) {
  json object = g1();
  object.erase("compress_ratios");
  object["num_hidden_layers"] = 6;

  EXPECT_EQ(parsed(object).compress_ratios, (std::vector<std::size_t>{128, 128, 128, 4, 128, 4}));
}

TEST(ParseConfig, AnyRatioButFourIsHeavilyCompressed) {
  json object = g1();
  object["compress_ratios"] = {2, 4, 8, 512};

  const ModelConfig c = parsed(object);

  EXPECT_EQ(c.layer_types, (std::vector{AttentionType::hca, AttentionType::csa, AttentionType::hca,
                                        AttentionType::hca}));
  EXPECT_EQ(c.compress_ratios, (std::vector<std::size_t>{2, 4, 8, 512}));
}

TEST(ParseConfig, AbsentRopeScalingMeansPlainTables) {
  json object = g1();
  object["rope_scaling"] = nullptr;

  EXPECT_FALSE(parsed(object).yarn.has_value());
}

TEST(ParseConfig, FlatRopeParametersAreTheYarnPart) {
  json object = g1();
  object.erase("rope_scaling");
  object["rope_parameters"] = {
      {"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 128}};

  const ModelConfig c = parsed(object);

  ASSERT_TRUE(c.yarn.has_value());
  EXPECT_EQ(c.yarn->factor, 4.0);
  EXPECT_FALSE(c.main_yarn.has_value());
}

TEST(ParseConfig, NumbersMayBeWrittenAsFloatsAndNullMeansAbsent) {
  json object = g1();
  object["max_position_embeddings"] = 1e6;
  object["sliding_window"] = nullptr;
  object["eos_token_id"] = {7, 8};
  object["pad_token_id"] = nullptr;

  const ModelConfig c = parsed(object);

  EXPECT_EQ(c.max_position_embeddings, 1000000u);
  EXPECT_EQ(c.sliding_window, 128u);
  EXPECT_EQ(c.eos_token_id, 7);
  EXPECT_EQ(c.pad_token_id, 2);
}

TEST(ParseConfig, AcceptsHalfAHeadPerGroup) {
  json object = g1();
  object["o_groups"] = 8;  // 2 * heads

  EXPECT_EQ(parsed(object).o_group_width(), 16u);
}

TEST(ParseConfig, RefusesV41WithASentence) {
  json object = g1();
  object["model_type"] = "deepseek_v41";
  expect_contains(refusal(object, ErrorCode::unsupported), "DeepSeek-V4.1");

  object = g1();
  object.erase("model_type");
  object["architectures"] = {"DeepseekV41ForCausalLM"};
  expect_contains(refusal(object, ErrorCode::unsupported), "DeepSeek-V4.1");

  object["architectures"] = {"LlamaForCausalLM"};
  expect_contains(refusal(object, ErrorCode::unsupported), "LlamaForCausalLM");
}

TEST(ParseConfig, NamesEveryViolatedRule) {
  json object = g1();
  object["qk_rope_head_dim"] = 7;
  object["o_groups"] = 3;
  object["index_head_dim"] = 4;
  object["num_experts_per_tok"] = 9;
  object["hc_eps"] = 0;

  const std::string message = refusal(object, ErrorCode::invalid_argument);

  for (std::string_view key : {"config.json", "qk_rope_head_dim", "o_groups", "index_head_dim",
                               "num_experts_per_tok", "hc_eps"})
    expect_contains(message, key);
}

TEST(ParseConfig, NamesAMissingOrMistypedKey) {
  for (std::string_view key :
       {"vocab_size", "hidden_size", "num_hidden_layers", "n_routed_experts", "head_dim"}) {
    json object = g1();
    object.erase(std::string(key));
    expect_contains(refusal(object, ErrorCode::not_found), key);
    for (const json& wrong :
         {json("32"), json(-1), json(1.5), json(true), json::array({1}), json(1e300)}) {
      object[std::string(key)] = wrong;
      expect_contains(refusal(object, ErrorCode::bad_format), key);
    }
  }
}

TEST(ParseConfig, HostileSizesAreRefusedBeforeAnythingIsAllocated) {
  for (std::string_view key : {"vocab_size",
                               "hidden_size",
                               "num_hidden_layers",
                               "num_attention_heads",
                               "head_dim",
                               "q_lora_rank",
                               "o_groups",
                               "o_lora_rank",
                               "sliding_window",
                               "max_position_embeddings",
                               "index_n_heads",
                               "index_head_dim",
                               "index_topk",
                               "n_routed_experts",
                               "num_experts_per_tok",
                               "n_shared_experts",
                               "moe_intermediate_size",
                               "hc_mult",
                               "hc_sinkhorn_iters",
                               "num_nextn_predict_layers"}) {
    for (const json& value :
         {json(18446744073709551615u), json(9007199254740992.0), json(4294967296)}) {
      json object = g1();
      object[std::string(key)] = value;
      const auto config = parse_config(object.dump(), "config.json");
      ASSERT_FALSE(config.has_value()) << key << " = " << value.dump();
      expect_contains(config.error().message, key);
    }
  }
}

TEST(ParseConfig, RefusesSchedulesThatAreTooShortOrUnknown) {
  json object = g1();
  object["compress_ratios"] = {0, 4};
  expect_contains(refusal(object, ErrorCode::bad_format), "compress_ratios");

  object = g1();
  object["compress_ratios"] = {0, 1, 4, 4};
  expect_contains(refusal(object, ErrorCode::invalid_argument), "layer 1");

  object = g1();
  object["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention",
                           "sliding_attention"};
  expect_contains(refusal(object, ErrorCode::unsupported), "full_attention");
}

TEST(ParseConfig, RefusesPropertiesOfOtherGraphs) {
  const std::pair<const char*, json> kForeign[] = {
      {"num_key_value_heads", 8},
      {"hidden_act", "gelu"},
      {"attention_bias", true},
      {"tie_word_embeddings", true},
      {"n_group", 8},
      {"topk_method", "greedy"},
      {"scoring_func", "relu"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}};
  for (const auto& [key, value] : kForeign) {
    json object = g1();
    object[key] = value;
    const std::string message = refusal(object, ErrorCode::unsupported);
    expect_contains(message, std::string_view(key) == "rope_scaling" ? "rope_type" : key);
  }
}

TEST(ParseConfig, RefusesTextThatIsNoJsonObject) {
  for (std::string_view text : {"", "[]", "{", "null", "{\"a\": }", "\xff"}) {
    const auto config = parse_config(text, "config.json");
    ASSERT_FALSE(config.has_value()) << text;
    expect_contains(config.error().message, "config.json");
  }
}

void expect_equal(const ModelConfig& a, const ModelConfig& b) {
  EXPECT_EQ(to_config_json(a), to_config_json(b));
  EXPECT_EQ(a.layer_types, b.layer_types);
  EXPECT_EQ(a.compress_ratios, b.compress_ratios);
  EXPECT_EQ(a.mlp_layer_types, b.mlp_layer_types);
  EXPECT_EQ(a.yarn.has_value(), b.yarn.has_value());
  EXPECT_EQ(a.main_yarn.has_value(), b.main_yarn.has_value());
  EXPECT_EQ(a.hc_eps, b.hc_eps);
  EXPECT_EQ(a.rms_norm_eps, b.rms_norm_eps);
}

TEST(ConfigJson, WrittenFormReadsBack) {
  json plain = g1();
  plain.erase("rope_scaling");
  json odd_rates = g1();
  odd_rates["layer_types"] = {"compressed_sparse_attention", "sliding_attention",
                              "heavily_compressed_attention", "compressed_sparse_attention"};
  odd_rates["compress_rates"] = {{"compressed_sparse_attention", 8},
                                 {"heavily_compressed_attention", 4}};
  json many_rates = g1();
  many_rates["compress_ratios"] = {2, 4, 8, 0};
  json late_hash = g1();
  late_hash["mlp_layer_types"] = {"moe", "hash_moe", "moe", "hash_moe"};
  json main_yarn = g1();
  main_yarn["rope_parameters"] = {
      {"main", {{"rope_type", "yarn"}, {"factor", 2}, {"rope_theta", 5000}}},
      {"compress", {{"rope_type", "default"}, {"rope_theta", 7000}}}};
  for (const json& object : {g1(), plain, odd_rates, many_rates, late_hash, main_yarn}) {
    const ModelConfig config = parsed(object);

    const auto again = parse_config(to_config_json(config), "written");

    ASSERT_TRUE(again.has_value()) << again.error().message;
    expect_equal(*again, config);
  }
}

// ---- the world model

json with_world_model() {
  json object = g1();
  object["world_model"] = json::parse(R"({
    "layers": 1, "after_layer": 2, "latent_dim": 24, "n_heads": 6, "head_dim": 8, "n_kv_heads": 3, "intermediate": 48,
    "n_latent_steps": 3, "max_latent_steps": 8, "rope_dim": 4, "mask": "causal_parents", "mask_source": "tokens",
    "mask_dropout": 0.1, "max_events": 128, "skip_root": true,
    "loss": {"latent": 0.3, "counterfactual": 0.1, "edge": 0.0}})");
  return object;
}

TEST(WorldModelConfig, IsReadAndWrittenBack) {
  json object = with_world_model();
  object["vocab_size"] = 200;
  json ids = json::array();
  for (std::size_t i = 0; i < StructureTokens::kCount; ++i) ids.push_back(199 - i);
  object["world_model"]["structure_tokens"] = ids;
  const ModelConfig c = parsed(object);

  ASSERT_TRUE(c.world_model);
  const WorldModelConfig& w = *c.world_model;
  EXPECT_EQ(w.after_layer, 2u);
  EXPECT_EQ(w.latent_dim, 24u);
  EXPECT_EQ(w.n_kv_heads, 3u);
  EXPECT_EQ(w.rope_dim, 4u);
  EXPECT_EQ(w.mask, MaskMode::causal_parents);
  EXPECT_EQ(w.mask_dropout, 0.1);
  EXPECT_EQ(w.max_events, 128u);
  EXPECT_EQ(w.loss.latent, 0.3);
  ASSERT_TRUE(w.structure_tokens);
  EXPECT_EQ(w.structure_tokens->openers[0], 199);
  EXPECT_EQ(w.structure_tokens->ids[95], 94);
  EXPECT_EQ(json::parse(to_config_json(c, WeightTypes::f32))["world_model"], object["world_model"]);
}

TEST(WorldModelConfig, IsAbsentWithoutItsKey) {
  json object = g1();
  object["world_model"] = nullptr;
  EXPECT_FALSE(parsed(object).world_model);
  EXPECT_FALSE(
      json::parse(to_config_json(parsed(object), WeightTypes::f32)).contains("world_model"));
}

TEST(WorldModelConfig, HasDefaultsForTheRest) {
  json object = g1();
  object["world_model"] = {
      {"latent_dim", 24}, {"n_heads", 2}, {"head_dim", 16}, {"intermediate", 8}};
  const ModelConfig c = parsed(object);
  ASSERT_TRUE(c.world_model);
  EXPECT_EQ(c.world_model->after_layer, 1u);  // 4 / 2 - 1
  EXPECT_EQ(c.world_model->n_kv_heads, 2u);
  EXPECT_EQ(c.world_model->rope_dim, 8u);
  EXPECT_EQ(c.world_model->n_latent_steps, 3u);
  EXPECT_EQ(c.world_model->mask, MaskMode::causal_graph);
}

TEST(WorldModelConfig, RefusesWhatItDoesNotKnow) {
  const auto refused = [](const char* key, json value, ErrorCode code, std::string_view part) {
    json object = with_world_model();
    object["world_model"][key] = std::move(value);
    expect_contains(refusal(object, code), part);
  };
  refused("latents", 3, ErrorCode::bad_format, "world_model.latents': unknown key");
  refused("mask", "dag", ErrorCode::unsupported, "world_model.mask': expected causal_graph");
  refused("mask_source", "predicted", ErrorCode::unsupported, "expected tokens");
  refused("loss", {{"latent", 1}, {"kl", 1}}, ErrorCode::bad_format, "world_model.loss.kl'");
  refused("latent_dim", nullptr, ErrorCode::not_found, "world_model.latent_dim'");
  refused("structure_tokens", {1, 2}, ErrorCode::bad_format, "expected a list of 106");
  refused("after_layer", 4, ErrorCode::invalid_argument, "after_layer must be between 0 and 3");
  refused("n_kv_heads", 4, ErrorCode::invalid_argument, "must divide n_heads");
  refused("n_latent_steps", 9, ErrorCode::invalid_argument,
          "n_latent_steps must be between 1 and 8");
  refused("rope_dim", 3, ErrorCode::invalid_argument, "rope_dim must be even");
  refused("mask_dropout", 1.5, ErrorCode::invalid_argument, "mask_dropout must be between 0 and 1");
  refused("loss", {{"edge", 1}}, ErrorCode::invalid_argument, "loss.edge must be 0");
  json many = json::array();
  for (std::size_t i = 0; i < StructureTokens::kCount; ++i) many.push_back(1);
  refused("structure_tokens", many, ErrorCode::invalid_argument, "found 1 twice");
}

}  // namespace
}  // namespace hadal
