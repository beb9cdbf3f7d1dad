// The world model in files (world-model.md 2.4), and the options for it.
#include "engine/model/checkpoint_test_util.h"
#include "engine/model/checkpoint_writer.h"
#include "engine/model/world_model_options.h"

#include <gtest/gtest.h>

#include <map>

namespace hadal {
namespace {

ModelConfig config_with_world_model() {
  ModelConfig config = tiny_config();
  config.world_model = WorldModelConfig{.layers = 2,
                                        .after_layer = 1,
                                        .latent_dim = 48,
                                        .n_heads = 6,
                                        .head_dim = 8,
                                        .n_kv_heads = 2,
                                        .intermediate = 20,
                                        .n_latent_steps = 3,
                                        .max_latent_steps = 5,
                                        .rope_dim = 4,
                                        .loss = {},
                                        .structure_tokens = {}};
  return config;
}

TEST(WorldModelTensors, HaveTheNamesAndShapesOfTheSpecification) {
  const std::map<std::string, std::vector<std::uint64_t>> module = {
      {"read_weight", {2}},          {"write_weight", {2}},         {"in_norm.weight", {160}},
      {"step_embed", {5, 48}},       {"in_proj.weight", {48, 160}}, {"out_norm.weight", {48}},
      {"out_proj.weight", {160, 48}}};
  const std::map<std::string, std::vector<std::uint64_t>> layer = {
      {"attn_norm.weight", {48}},  {"q_proj.weight", {48, 48}}, {"k_proj.weight", {16, 48}},
      {"v_proj.weight", {16, 48}}, {"o_proj.weight", {48, 48}}, {"attn_sink", {6}},
      {"ffn_norm.weight", {48}},   {"w1.weight", {20, 48}},     {"w2.weight", {48, 20}},
      {"w3.weight", {20, 48}}};
  std::map<std::string, std::vector<std::uint64_t>> expected;
  for (const auto& [name, shape] : module) expected["world_model." + name] = shape;
  for (const auto& [name, shape] : layer) {
    expected["world_model.layers.0." + name] = shape;
    expected["world_model.layers.1." + name] = shape;
  }

  std::map<std::string, std::vector<std::uint64_t>> actual;
  for (const TensorSpec& spec : expected_tensors(config_with_world_model()))
    if (spec.name.starts_with("world_model.")) actual[spec.name] = spec.shape;

  EXPECT_EQ(actual, expected);
  for (const TensorSpec& spec : expected_tensors(tiny_config()))
    EXPECT_FALSE(spec.name.starts_with("world_model.")) << spec.name;
}

TEST(WorldModelFiles, AreWrittenAndReadInTheirTypes) {
  const ModelConfig config = config_with_world_model();
  TemporaryDirectory directory;
  ThreadPool pool(2);
  const auto written =
      write_safetensors_model(config, SyntheticSource(config), directory.path() / "a", "",
                              {.types = WeightTypes::native}, pool);
  ASSERT_TRUE(written) << written.error().message;

  const auto first = Checkpoint::open(directory.path() / "a");
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(first->config().world_model);
  EXPECT_EQ(first->config().world_model->latent_dim, 48u);
  for (const CheckpointTensor& tensor : first->tensors()) {
    if (!tensor.name.starts_with("world_model.")) continue;
    const bool is_f32 = tensor.name.ends_with("_weight") || tensor.name.ends_with("step_embed") ||
                        tensor.name.ends_with("attn_sink");
    EXPECT_EQ(tensor.view.dtype, is_f32 ? DType::f32 : DType::bf16) << tensor.name;
  }

  const auto copied =
      write_safetensors_model(first->config(), CheckpointSource(*first), directory.path() / "b", "",
                              {.types = WeightTypes::native}, pool);
  ASSERT_TRUE(copied) << copied.error().message;
  const auto second = Checkpoint::open(directory.path() / "b");
  ASSERT_TRUE(second) << second.error().message;
  expect_equal_values(*second, *first);
}

TEST(WorldModelFiles, MissingTensorsAreNamedAndThoseOfTheTrainerIgnored) {
  const ModelConfig config = config_with_world_model();
  StoredModel model = synthetic_model(config);
  model["world_model.predictor.0.weight"] = f32_data({2}, {1, 2});
  EXPECT_TRUE(open_model(model, config).checkpoint);

  model.erase("world_model.layers.1.k_proj.weight");
  const OpenModel opened = open_model(model, config);
  ASSERT_FALSE(opened.checkpoint);
  expect_contains(opened.checkpoint.error().message, "world_model.layers.1.k_proj.weight");
}

TEST(WorldModelFiles, GgufIsRefused) {
  const ModelConfig config = config_with_world_model();
  TemporaryDirectory directory;
  ThreadPool pool(1);

  const auto written =
      write_gguf_model(config, SyntheticSource(config), directory.path() / "a.gguf", {}, pool);

  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::unsupported);
  expect_contains(written.error().message, "world_model");
  expect_contains(written.error().message, "safetensors");
}

StructureTokens any_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list{};
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = static_cast<std::int32_t>(i);
  return StructureTokens::from_list(list);
}

/// What the options make of the model; an error as its message.
std::string outcome(const WorldModelOptions& options, std::optional<WorldModelConfig> config) {
  const auto applied = apply_options(options, config, "m");
  if (!applied) return applied.error().message;
  return config ? std::to_string(config->n_latent_steps) + " " + std::string(name_of(config->mask))
                : "none";
}

TEST(WorldModelOptions, ChooseWhatRuns) {
  const auto none = std::optional<WorldModelConfig>();
  std::optional<WorldModelConfig> model = config_with_world_model().world_model;
  EXPECT_EQ(outcome({}, none), "none");
  EXPECT_EQ(outcome({}, model), "none") << "no structure tokens are known";
  EXPECT_EQ(outcome({.structure_tokens = any_tokens()}, model), "3 causal_graph");
  model->structure_tokens = any_tokens();
  EXPECT_EQ(outcome({}, model), "3 causal_graph");
  EXPECT_EQ(outcome({.off = true}, model), "none");
  EXPECT_EQ(outcome({.mask = MaskMode::none, .n_latent_steps = 5}, model), "5 none");
  model->structure_tokens.reset();
  model->skip_root = false;  // text is written too
  EXPECT_EQ(outcome({}, model), "3 causal_graph");
}

TEST(WorldModelOptions, RefuseWhatCannotRun) {
  std::optional<WorldModelConfig> model = config_with_world_model().world_model;
  const auto none = std::optional<WorldModelConfig>();
  expect_contains(outcome({.required = true}, none), "has none");
  expect_contains(outcome({.mask = MaskMode::token_causal}, none), "has none");
  expect_contains(outcome({.n_latent_steps = 2}, none), "has none");
  expect_contains(outcome({.off = true, .n_latent_steps = 2}, model), "it is off");
  expect_contains(outcome({.required = true}, model), "<|mech|>");
  expect_contains(outcome({.n_latent_steps = 6}, model), "1 to 5");
  expect_contains(outcome({.n_latent_steps = 0}, model), "1 to 5");
}

}  // namespace
}  // namespace hadal
