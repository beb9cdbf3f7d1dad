#include "engine/model/checkpoint_test_util.h"

#include "engine/model/synthetic_weights.h"
#include "formats/safetensors_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include <stdlib.h>

namespace hadal {

ModelConfig tiny_config() {
  ModelConfig c;
  c.vocab_size = 30;
  c.hidden_size = 160;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 4;
  c.head_dim = 40;
  c.qk_rope_head_dim = 8;
  c.q_lora_rank = 32;
  c.o_groups = 2;
  c.o_lora_rank = 16;
  c.sliding_window = 8;
  c.max_position_embeddings = 256;
  c.layer_types = {AttentionType::sliding, AttentionType::csa, AttentionType::hca};
  c.compress_ratios = {0, 4, 8};
  c.mlp_layer_types = {MlpType::hash, MlpType::score, MlpType::score};
  c.yarn = YarnScaling{.factor = 4, .original_max_position_embeddings = 64};
  c.index_n_heads = 2;
  c.index_head_dim = 16;
  c.index_topk = 2;
  c.n_routed_experts = 3;
  c.num_experts_per_tok = 2;
  c.n_shared_experts = 1;
  c.moe_intermediate_size = 64;
  c.hc_mult = 2;
  c.hc_sinkhorn_iters = 3;
  c.num_nextn_predict_layers = 1;
  return c;
}

StoredData f32_data(std::vector<std::uint64_t> shape, const std::vector<float>& values) {
  StoredData data{DType::f32, std::move(shape),
                  std::vector<std::byte>(values.size() * sizeof(float))};
  std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
  return data;
}

StoredData i64_data(std::vector<std::uint64_t> shape, const std::vector<std::int64_t>& values) {
  StoredData data{DType::i64, std::move(shape),
                  std::vector<std::byte>(values.size() * sizeof(std::int64_t))};
  std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
  return data;
}

StoredModel synthetic_model(const ModelConfig& config) {
  StoredModel model;
  for (const TensorSpec& spec : expected_tensors(config)) {
    std::size_t n = 1;
    for (std::uint64_t dim : spec.shape) n *= dim;
    if (spec.kind == TensorSpec::Kind::token_table) {
      std::vector<std::int64_t> table(n);
      fill_synthetic_token_table(spec.name, config.n_routed_experts, spec.shape[1], 0, table);
      model[spec.name] = i64_data(spec.shape, table);
    } else {
      std::vector<float> values(n);
      fill_synthetic(spec.name, spec.shape.back(), 0, values);
      model[spec.name] = f32_data(spec.shape, values);
    }
  }
  return model;
}

std::vector<float> values_of(const CheckpointTensor& tensor) {
  std::vector<float> values(tensor.view.rows * tensor.view.cols);
  for (std::size_t row = 0; row < tensor.view.rows; ++row)
    decode_row(tensor.view, row, 0, tensor.view.cols, &values[row * tensor.view.cols]);
  return values;
}

std::vector<float> values_of(const StoredData& f32) {
  std::vector<float> values(f32.bytes.size() / sizeof(float));
  std::memcpy(values.data(), f32.bytes.data(), f32.bytes.size());
  return values;
}

void store_as(StoredModel& model, const std::string& name, Encoding encoding) {
  const std::vector<std::uint64_t> shape = model.at(name).shape;
  const std::vector<float> values = values_of(model.at(name));
  const std::size_t cols = shape.back();
  const std::size_t rows = values.size() / cols;
  const std::size_t row_bytes = encoded_row_bytes(encoding, cols);
  std::vector<std::byte> weight(rows * row_bytes);
  std::vector<std::byte> scale(n_scales(encoding, rows, cols));
  for (std::size_t row = 0; row < rows; row += kEncodingRows) {
    const std::size_t n = std::min(kEncodingRows, rows - row);
    encode_rows(encoding, std::span(values).subspan(row * cols, n * cols), cols,
                &weight[row * row_bytes], scale.data() + n_scales(encoding, row, cols));
  }
  const bool is_fp4 = encoding == Encoding::fp4;
  std::vector<std::uint64_t> stored_shape = shape;
  if (is_fp4) stored_shape.back() /= 2;
  model[name] = {is_fp4 ? DType::i8 : stored_dtype(encoding), stored_shape, std::move(weight)};
  if (scale.empty()) return;
  std::vector<std::uint64_t> scale_shape = {rows, cols / 32};
  if (!is_fp4) scale_shape = {(rows + 127) / 128, (cols + 127) / 128};
  model[name.substr(0, name.rfind('.')) + ".scale"] = {DType::f8_e8m0, scale_shape,
                                                       std::move(scale)};
}

void rename(StoredModel& model, const std::string& from, const std::string& to) {
  auto node = model.extract(from);
  ASSERT_FALSE(node.empty()) << from;
  node.key() = to;
  model.insert(std::move(node));
}

std::vector<std::byte> safetensors_image(const StoredModel& model) {
  SafetensorsWriter writer;
  std::vector<const StoredData*> order;
  for (const auto& [name, data] : model) {
    const auto declared = writer.declare(name, data.dtype, data.shape);
    EXPECT_TRUE(declared.has_value()) << declared.error().message;
    order.push_back(&data);
  }
  auto image = writer.write_to_memory(
      [&](std::size_t i, TensorSink& sink) { return sink.write(order[i]->bytes); });
  EXPECT_TRUE(image.has_value());
  return std::move(image).value();
}

OpenModel open_model(const StoredModel& model, const ModelConfig& config) {
  std::vector<std::byte> image = safetensors_image(model);
  auto checkpoint = Checkpoint::from_memory(image, to_config_json(config), "", "tiny");
  return {std::move(image), std::move(checkpoint)};
}

void expect_equal_values(const Checkpoint& actual, const Checkpoint& expected) {
  ASSERT_EQ(actual.tensors().size(), expected.tensors().size());
  for (const CheckpointTensor& tensor : expected.tensors()) {
    const CheckpointTensor* other = actual.find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    ASSERT_EQ(other->shape, tensor.shape) << tensor.name;
    if (!tensor.name.ends_with("tid2eid")) {
      ASSERT_EQ(values_of(*other), values_of(tensor)) << tensor.name;
    }
  }
}

void expect_contains(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << "expected '" << part << "' in: " << text;
}

}  // namespace hadal
