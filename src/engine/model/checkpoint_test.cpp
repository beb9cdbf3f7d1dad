// What a V4 loader must accept and refuse (deepseek-v4.md 7.3, 8.2).
#include "engine/model/checkpoint.h"

#include "base/float_formats.h"
#include "engine/model/checkpoint_test_util.h"
#include "engine/model/tensor_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace hadal {
namespace {

Checkpoint opened(OpenModel& model) {
  if (!model.checkpoint) {
    ADD_FAILURE() << model.checkpoint.error().message;
    std::abort();
  }
  return std::move(model.checkpoint).value();
}

std::string refusal(const StoredModel& model, ErrorCode code,
                    const ModelConfig& config = tiny_config()) {
  const OpenModel open = open_model(model, config);
  if (open.checkpoint) {
    ADD_FAILURE() << "the model was accepted";
    return {};
  }
  EXPECT_EQ(open.checkpoint.error().code, code);
  return open.checkpoint.error().message;
}

TEST(Checkpoint, GivesTheStoredValuesInCanonicalOrder) {
  const StoredModel model = synthetic_model(tiny_config());
  OpenModel open = open_model(model, tiny_config());

  const Checkpoint checkpoint = opened(open);

  const auto specs = expected_tensors(tiny_config());
  ASSERT_EQ(checkpoint.tensors().size(), specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const CheckpointTensor& tensor = checkpoint.tensors()[i];
    EXPECT_EQ(tensor.name, specs[i].name);
    EXPECT_EQ(tensor.shape, specs[i].shape);
    EXPECT_EQ(checkpoint.find(tensor.name), &tensor);
    if (specs[i].kind != TensorSpec::Kind::token_table) {
      ASSERT_EQ(values_of(tensor), values_of(model.at(tensor.name)));
    }
  }
  EXPECT_EQ(checkpoint.config().num_nextn_predict_layers, 1u);
  EXPECT_EQ(checkpoint.find("layers.9.attn.wq_a.weight"), nullptr);
}

TEST(Checkpoint, WeightsAreViewsOfTheImage) {
  OpenModel open = open_model(synthetic_model(tiny_config()), tiny_config());
  const std::byte* begin = open.image.data();
  const std::byte* end = begin + open.image.size();

  const Checkpoint checkpoint = opened(open);

  for (const CheckpointTensor& tensor : checkpoint.tensors())
    EXPECT_TRUE(tensor.view.data >= begin && tensor.view.data < end) << tensor.name;
}

TEST(Checkpoint, HuggingFaceNamesGiveTheSameModel) {
  const StoredModel original = synthetic_model(tiny_config());
  StoredModel renamed;
  for (const auto& [name, data] : original)
    renamed[hugging_face_name(name).value_or("model." + name)] = data;
  OpenModel a = open_model(renamed, tiny_config());
  OpenModel b = open_model(original, tiny_config());

  expect_equal_values(opened(a), opened(b));
}

/// Joins tensors along a new (stack) or the first dimension.
StoredData joined(const std::vector<const StoredData*>& parts, std::vector<std::uint64_t> shape) {
  StoredData out{parts[0]->dtype, std::move(shape), {}};
  for (const StoredData* part : parts)
    out.bytes.insert(out.bytes.end(), part->bytes.begin(), part->bytes.end());
  return out;
}

/// Replaces the experts of layer 1 by gate_up_proj and down_proj, and their scales likewise.
void stack_experts(StoredModel& model, const ModelConfig& config) {
  for (const std::string leaf : {".weight", ".scale"}) {
    std::vector<const StoredData*> gate_up, down;
    for (std::size_t expert = 0; expert < config.n_routed_experts; ++expert) {
      const std::string prefix = fmt::format("layers.1.ffn.experts.{}.", expert);
      if (!model.contains(prefix + "w1" + leaf)) return;
      gate_up.push_back(&model.at(prefix + "w1" + leaf));
      gate_up.push_back(&model.at(prefix + "w3" + leaf));
      down.push_back(&model.at(prefix + "w2" + leaf));
    }
    const auto stacked = [&](const std::vector<const StoredData*>& parts, std::uint64_t halves) {
      return joined(parts,
                    {config.n_routed_experts, halves * parts[0]->shape[0], parts[0]->shape[1]});
    };
    StoredData gate_up_stack = stacked(gate_up, 2);
    StoredData down_stack = stacked(down, 1);
    for (std::size_t expert = 0; expert < config.n_routed_experts; ++expert)
      for (const char* matrix : {"w1", "w2", "w3"})
        model.erase(fmt::format("layers.1.ffn.experts.{}.{}{}", expert, matrix, leaf));
    const std::string suffix = leaf == ".scale" ? "_scale_inv" : "";
    model["model.layers.1.mlp.experts.gate_up_proj" + suffix] = std::move(gate_up_stack);
    model["model.layers.1.mlp.experts.down_proj" + suffix] = std::move(down_stack);
  }
}

TEST(Checkpoint, StackedExpertsGiveTheSameModel) {
  ModelConfig config = tiny_config();
  config.moe_intermediate_size = 128;  // FP8 scale blocks of the two halves must not touch
  for (Encoding encoding : {Encoding::f32, Encoding::bf16, Encoding::fp4, Encoding::fp8}) {
    StoredModel single = synthetic_model(config);
    for (std::size_t expert = 0; expert < config.n_routed_experts; ++expert)
      for (const char* matrix : {"w1", "w2", "w3"})
        store_as(single, fmt::format("layers.1.ffn.experts.{}.{}.weight", expert, matrix),
                 encoding);
    StoredModel stacked = single;
    stack_experts(stacked, config);
    ASSERT_LT(stacked.size(), single.size());
    OpenModel a = open_model(stacked, config);
    OpenModel b = open_model(single, config);

    expect_equal_values(opened(a), opened(b));
  }
}

TEST(Checkpoint, RefusesStacksWhoseHalvesShareAScaleBlock) {
  StoredModel model =
      synthetic_model(tiny_config());  // f = 64: gate and up of one expert share a 128-row block
  stack_experts(model, tiny_config());
  const std::string name = "model.layers.1.mlp.experts.gate_up_proj";
  store_as(model, name, Encoding::fp8);
  model.extract("model.layers.1.mlp.experts.scale");
  model[name + "_scale_inv"] = {
      DType::f8_e8m0, {3, 1, 2}, std::vector<std::byte>(6, std::byte{127})};

  expect_contains(refusal(model, ErrorCode::unsupported), "gate_up_proj");
}

TEST(Checkpoint, ReadsEveryTypeThatWeightsMayHave) {
  StoredModel model = synthetic_model(tiny_config());
  store_as(model, "layers.0.attn.wq_b.weight", Encoding::fp8);
  store_as(model, "layers.0.attn.wkv.weight", Encoding::bf16);
  store_as(model, "layers.0.ffn.experts.0.w1.weight", Encoding::fp4);
  store_as(model, "layers.0.ffn.experts.1.w1.weight", Encoding::fp8);
  store_as(model, "layers.0.attn_norm.weight", Encoding::bf16);
  StoredData& half = model.at("layers.0.hc_attn_fn");  // F16
  const std::vector<float> exact = values_of(half);
  half.dtype = DType::f16;
  half.bytes.resize(exact.size() * 2);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const std::uint16_t code = f16_from_float(exact[i]);
    std::memcpy(&half.bytes[2 * i], &code, 2);
  }
  rename(model, "layers.0.attn.wq_b.scale", "layers.0.attn.wq_b.weight_scale_inv");

  OpenModel open = open_model(model, tiny_config());
  const Checkpoint checkpoint = opened(open);

  const auto type_of = [&](const char* name) { return checkpoint.find(name)->view.dtype; };
  EXPECT_EQ(type_of("layers.0.attn.wq_b.weight"), DType::f8_e4m3);
  EXPECT_EQ(type_of("layers.0.attn.wkv.weight"), DType::bf16);
  EXPECT_EQ(type_of("layers.0.ffn.experts.0.w1.weight"), DType::fp4);
  EXPECT_EQ(type_of("layers.0.ffn.experts.1.w1.weight"), DType::f8_e4m3);
  EXPECT_EQ(type_of("layers.0.hc_attn_fn"), DType::f16);
  const std::vector<float> original =
      values_of(synthetic_model(tiny_config()).at("layers.0.attn.wq_b.weight"));
  const std::vector<float> decoded =
      values_of(*checkpoint.find("layers.0.attn.wq_b.weight"));  // [160, 32]: two scale rows
  for (std::size_t i = 0; i < original.size(); ++i)
    ASSERT_NEAR(decoded[i], original[i], 0.07 * std::fabs(original[i]) + 1e-3);
}

TEST(Checkpoint, Fp8ScalesMayBeF32) {
  StoredModel model = synthetic_model(tiny_config());
  store_as(model, "layers.0.attn.wq_b.weight", Encoding::fp8);
  OpenModel e8m0 = open_model(model, tiny_config());
  StoredData& scale = model.at("layers.0.attn.wq_b.scale");
  std::vector<float> scales;
  for (std::byte e : scale.bytes)
    scales.push_back(float_from_e8m0(std::to_integer<std::uint8_t>(e)));
  scale = f32_data(scale.shape, scales);
  OpenModel f32 = open_model(model, tiny_config());

  expect_equal_values(opened(f32), opened(e8m0));
}

TEST(Checkpoint, TokenTablesMayBeI32) {
  StoredModel model = synthetic_model(tiny_config());
  StoredData& table = model.at("layers.0.ffn.gate.tid2eid");
  std::vector<std::byte> narrow;
  for (std::size_t i = 0; i < table.bytes.size(); i += 8)
    narrow.insert(narrow.end(), table.bytes.begin() + static_cast<std::ptrdiff_t>(i),
                  table.bytes.begin() + static_cast<std::ptrdiff_t>(i + 4));
  table.dtype = DType::i32;
  table.bytes = narrow;
  OpenModel open = open_model(model, tiny_config());

  const Checkpoint checkpoint = opened(open);

  EXPECT_EQ(checkpoint.find("layers.0.ffn.gate.tid2eid")->view.dtype, DType::i32);
}

TEST(Checkpoint, RefusesExpertIdsThatDoNotExist) {
  for (std::int64_t bad : {std::int64_t{3}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    StoredModel model = synthetic_model(tiny_config());
    std::memcpy(&model.at("layers.0.ffn.gate.tid2eid").bytes[16], &bad, 8);

    const std::string message = refusal(model, ErrorCode::bad_format);

    expect_contains(message, "layers.0.ffn.gate.tid2eid");
    expect_contains(message, std::to_string(bad));
  }
}

TEST(Checkpoint, NamesMissingTensorsAndTheirCount) {
  StoredModel model = synthetic_model(tiny_config());
  model.erase("norm.weight");
  for (int expert = 0; expert < 3; ++expert)
    for (const char* matrix : {"w1", "w2", "w3"})
      model.erase(fmt::format("layers.2.ffn.experts.{}.{}.weight", expert, matrix));

  const std::string message = refusal(model, ErrorCode::not_found);

  expect_contains(message, "tiny");
  expect_contains(message, "10 ");
  expect_contains(message, "layers.2.ffn.experts.0.w1.weight");
}

TEST(Checkpoint, NamesFileTensorExpectedAndFoundShape) {
  StoredModel model = synthetic_model(tiny_config());
  model.at("layers.1.ffn_norm.weight") = f32_data({80}, std::vector<float>(80));
  const std::string message = refusal(model, ErrorCode::bad_format);
  for (std::string_view part : {"tiny", "layers.1.ffn_norm.weight", "[160]", "[80]"})
    expect_contains(message, part);

  model = synthetic_model(tiny_config());
  std::swap(model.at("layers.1.attn.wq_a.weight").shape[0],
            model.at("layers.1.attn.wq_a.weight").shape[1]);
  expect_contains(refusal(model, ErrorCode::bad_format),
                  "expected shape [32, 160], found [160, 32]");
}

TEST(Checkpoint, RefusesTypesThatCannotBeWeights) {
  StoredModel model = synthetic_model(tiny_config());
  model.at("norm.weight") = i64_data({160}, std::vector<std::int64_t>(160));
  std::string message = refusal(model, ErrorCode::unsupported);
  expect_contains(message, "norm.weight");
  expect_contains(message, "I64");

  model = synthetic_model(tiny_config());
  model.at("layers.0.ffn.gate.tid2eid") = f32_data({30, 2}, std::vector<float>(60));
  expect_contains(refusal(model, ErrorCode::unsupported), "tid2eid");
}

TEST(Checkpoint, QuantisedWeightsNeedTheirScales) {
  for (Encoding encoding : {Encoding::fp8, Encoding::fp4}) {
    StoredModel model = synthetic_model(tiny_config());
    store_as(model, "layers.1.ffn.experts.1.w3.weight", encoding);
    StoredModel wrong_shape = model;
    wrong_shape.at("layers.1.ffn.experts.1.w3.scale").shape = {
        wrong_shape.at("layers.1.ffn.experts.1.w3.scale").bytes.size(), 1};
    if (encoding == Encoding::fp4) {
      expect_contains(refusal(wrong_shape, ErrorCode::bad_format), "w3.scale");
    }
    model.erase("layers.1.ffn.experts.1.w3.scale");

    expect_contains(refusal(model, ErrorCode::not_found), "layers.1.ffn.experts.1.w3.weight");
  }
}

TEST(Checkpoint, RefusesTwoSpellingsOfOneTensor) {
  StoredModel model = synthetic_model(tiny_config());
  model["model.norm.weight"] = model.at("norm.weight");

  expect_contains(refusal(model, ErrorCode::bad_format), "norm.weight");
}

TEST(Checkpoint, UnknownTensorsAreIgnored) {
  StoredModel model = synthetic_model(tiny_config());
  model["mtp.0.emb.tok_emb.weight"] = f32_data({2}, {1, 2});
  model["something.else"] = f32_data({2}, {1, 2});
  OpenModel open = open_model(model, tiny_config());

  EXPECT_EQ(opened(open).find("something.else"), nullptr);
}

TEST(Checkpoint, TakesTheNumberOfMtpBlocksFromTheTensors) {
  StoredModel model = synthetic_model(tiny_config());
  ModelConfig says_none = tiny_config();
  says_none.num_nextn_predict_layers = 0;
  OpenModel with_block = open_model(model, says_none);
  EXPECT_EQ(opened(with_block).config().num_nextn_predict_layers, 1u);

  StoredModel incomplete = model;
  incomplete.erase("mtp.0.ffn.gate.bias");
  OpenModel without = open_model(incomplete, tiny_config());
  const Checkpoint checkpoint = opened(without);
  EXPECT_EQ(checkpoint.config().num_nextn_predict_layers, 0u);
  EXPECT_EQ(checkpoint.find("mtp.0.enorm.weight"), nullptr);

  StoredModel dspark = model;
  dspark["mtp.0.main_proj.weight"] = f32_data({2}, {1, 2});
  OpenModel drafter = open_model(dspark, tiny_config());
  EXPECT_EQ(opened(drafter).config().num_nextn_predict_layers, 0u);
}

TEST(Checkpoint, MisalignedTensorsAreCopiedNotRead) {
  const StoredModel model = synthetic_model(tiny_config());
  OpenModel straight = open_model(model, tiny_config());
  std::vector<std::byte> shifted(straight.image.size() + 1);
  std::copy(straight.image.begin(), straight.image.end(), shifted.begin() + 1);

  auto checkpoint = Checkpoint::from_memory(std::span(shifted).subspan(1),
                                            to_config_json(tiny_config()), "", "shifted");

  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  for (const CheckpointTensor& tensor : checkpoint->tensors())
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.view.data) % 4, 0u) << tensor.name;
  expect_equal_values(*checkpoint, opened(straight));
}

TEST(Checkpoint, TruncatedImagesAreRefused) {
  const std::vector<std::byte> image = safetensors_image(synthetic_model(tiny_config()));
  for (std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, image.size() / 2, image.size() - 1}) {
    const auto checkpoint = Checkpoint::from_memory(std::span(image).first(size),
                                                    to_config_json(tiny_config()), "", "cut");
    ASSERT_FALSE(checkpoint.has_value()) << size;
    expect_contains(checkpoint.error().message, "cut");
  }
}

TEST(OpenCheckpoint, SaysWhatItLookedFor) {
  const TemporaryDirectory directory;
  const auto message_for = [](const std::string& model) {
    const auto checkpoint = Checkpoint::open(model);
    EXPECT_FALSE(checkpoint.has_value());
    return checkpoint ? std::string() : checkpoint.error().message;
  };
  expect_contains(message_for(directory.path()), "config.json");
  expect_contains(message_for(directory.path() / "nothing here"), "nothing here");
  std::ofstream(directory.path() / "model.safetensors") << "x";
  expect_contains(message_for(directory.path() / "model.safetensors"), "directory");
  std::ofstream(directory.path() / "config.json") << "{";
  expect_contains(message_for(directory.path()), "config.json");
}

}  // namespace
}  // namespace hadal
