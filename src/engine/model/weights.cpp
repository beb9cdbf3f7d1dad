#include "engine/model/weights.h"

#include <fmt/format.h>

#include <cstring>
#include <string>

namespace hadal {
namespace {

/// Looks tensors up by name; remembers the first one that is missing, so that the lists below stay
/// lists.
class Collector {
 public:
  Collector(const Checkpoint& checkpoint, const ArrangedWeights* arranged)
      : checkpoint_(checkpoint), arranged_(arranged), config_(checkpoint.config()) {}

  const std::string& missing() const { return missing_; }

  ModelWeights model() {
    ModelWeights w;
    w.embed = matrix("embed.weight");
    w.blocks.reserve(config_.num_hidden_layers);
    for (std::size_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      w.blocks.push_back(block(fmt::format("layers.{}.", layer), config_.layer_types[layer],
                               config_.mlp_layer_types[layer]));
    }
    w.head = head("");
    w.norm = vector("norm.weight");
    w.lm_head = matrix("head.weight");
    for (std::size_t stage = 0; stage < config_.num_nextn_predict_layers; ++stage)
      w.mtp.push_back(mtp(stage));
    if (config_.world_model) w.world_model = world_model(config_.world_model->layers);
    return w;
  }

 private:
  MatrixView matrix(const std::string& name) {
    const CheckpointTensor* tensor = find(name);
    if (tensor == nullptr) return {};
    return arranged_ != nullptr ? arranged_->view(*tensor) : tensor->view;
  }

  std::vector<float> vector(const std::string& name) {
    const CheckpointTensor* tensor = find(name);
    if (tensor == nullptr) return {};
    const MatrixView& view = tensor->view;
    std::vector<float> out(view.rows * view.cols);
    for (std::size_t row = 0; row < view.rows; ++row)
      decode_row(view, row, 0, view.cols, out.data() + row * view.cols);
    return out;
  }

  std::vector<std::int32_t> token_table(const std::string& name) {
    const CheckpointTensor* tensor = find(name);
    if (tensor == nullptr) return {};
    const MatrixView& view = tensor->view;
    std::vector<std::int32_t> out(view.rows * view.cols);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::byte* at = view.data + (i / view.cols) * view.row_stride;
      if (view.dtype == DType::i64) {
        std::int64_t value;
        std::memcpy(&value, at + (i % view.cols) * sizeof(value), sizeof(value));
        out[i] = static_cast<std::int32_t>(value);  // the checkpoint has checked the range
      } else {
        std::memcpy(&out[i], at + (i % view.cols) * sizeof(std::int32_t), sizeof(std::int32_t));
      }
    }
    return out;
  }

  HyperConnectionSite site(const std::string& prefix) {
    return {.fn = matrix(prefix + "_fn"),
            .base = vector(prefix + "_base"),
            .scale = vector(prefix + "_scale")};
  }

  HyperConnectionHead head(const std::string& prefix) {
    HyperConnectionHead out{.fn = matrix(prefix + "hc_head_fn"),
                            .base = vector(prefix + "hc_head_base")};
    const std::vector<float> scale = vector(prefix + "hc_head_scale");
    if (!scale.empty()) out.scale = scale.front();
    return out;
  }

  CompressorWeights compressor(const std::string& prefix) {
    return {.wkv = matrix(prefix + "wkv.weight"),
            .wgate = matrix(prefix + "wgate.weight"),
            .position_bias = vector(prefix + "ape"),
            .norm = vector(prefix + "norm.weight")};
  }

  AttentionWeights attention(const std::string& prefix, AttentionType type) {
    AttentionWeights w;
    w.wq_a = matrix(prefix + "wq_a.weight");
    w.q_norm = vector(prefix + "q_norm.weight");
    w.wq_b = matrix(prefix + "wq_b.weight");
    w.wkv = matrix(prefix + "wkv.weight");
    w.kv_norm = vector(prefix + "kv_norm.weight");
    w.wo_a = matrix(prefix + "wo_a.weight");
    w.wo_b = matrix(prefix + "wo_b.weight");
    w.sinks = vector(prefix + "attn_sink");
    if (type != AttentionType::sliding) w.compressor = compressor(prefix + "compressor.");
    if (type == AttentionType::csa) {
      w.indexer = IndexerWeights{.wq_b = matrix(prefix + "indexer.wq_b.weight"),
                                 .weights_proj = matrix(prefix + "indexer.weights_proj.weight"),
                                 .compressor = compressor(prefix + "indexer.compressor.")};
    }
    return w;
  }

  ExpertWeights expert(const std::string& prefix) {
    return {.w1 = matrix(prefix + "w1.weight"),
            .w3 = matrix(prefix + "w3.weight"),
            .w2 = matrix(prefix + "w2.weight")};
  }

  MoeWeights moe(const std::string& prefix, MlpType type) {
    MoeWeights w;
    w.gate = matrix(prefix + "gate.weight");
    if (type == MlpType::hash) {
      w.tid2eid = token_table(prefix + "gate.tid2eid");
    } else {
      w.bias = vector(prefix + "gate.bias");
    }
    w.experts.reserve(config_.n_routed_experts);
    for (std::size_t e = 0; e < config_.n_routed_experts; ++e)
      w.experts.push_back(expert(fmt::format("{}experts.{}.", prefix, e)));
    if (config_.n_shared_experts > 0) w.shared = expert(prefix + "shared_experts.");
    return w;
  }

  BlockWeights block(const std::string& prefix, AttentionType attention_type, MlpType mlp_type) {
    return {.hc_attn = site(prefix + "hc_attn"),
            .attn_norm = vector(prefix + "attn_norm.weight"),
            .attention = attention(prefix + "attn.", attention_type),
            .hc_ffn = site(prefix + "hc_ffn"),
            .ffn_norm = vector(prefix + "ffn_norm.weight"),
            .moe = moe(prefix + "ffn.", mlp_type)};
  }

  MtpWeights mtp(std::size_t stage) {
    const std::string prefix = fmt::format("mtp.{}.", stage);
    return {.enorm = vector(prefix + "enorm.weight"),
            .hnorm = vector(prefix + "hnorm.weight"),
            .e_proj = matrix(prefix + "e_proj.weight"),
            .h_proj = matrix(prefix + "h_proj.weight"),
            .block = block(prefix, AttentionType::sliding, MlpType::score),
            .head = head(prefix),
            .norm = vector(prefix + "norm.weight")};
  }

  WorldModelLayerWeights world_model_layer(const std::string& prefix) {
    return {.attn_norm = vector(prefix + "attn_norm.weight"),
            .q_proj = matrix(prefix + "q_proj.weight"),
            .k_proj = matrix(prefix + "k_proj.weight"),
            .v_proj = matrix(prefix + "v_proj.weight"),
            .o_proj = matrix(prefix + "o_proj.weight"),
            .sinks = vector(prefix + "attn_sink"),
            .ffn_norm = vector(prefix + "ffn_norm.weight"),
            .w1 = matrix(prefix + "w1.weight"),
            .w3 = matrix(prefix + "w3.weight"),
            .w2 = matrix(prefix + "w2.weight")};
  }

  WorldModelWeights world_model(std::size_t n_layers) {
    const std::string prefix = "world_model.";
    WorldModelWeights w{.read = vector(prefix + "read_weight"),
                        .write = vector(prefix + "write_weight"),
                        .in_norm = vector(prefix + "in_norm.weight"),
                        .in_proj = matrix(prefix + "in_proj.weight"),
                        .step_embed = vector(prefix + "step_embed"),
                        .layers = {},
                        .out_norm = vector(prefix + "out_norm.weight"),
                        .out_proj = matrix(prefix + "out_proj.weight")};
    for (std::size_t layer = 0; layer < n_layers; ++layer)
      w.layers.push_back(world_model_layer(fmt::format("{}layers.{}.", prefix, layer)));
    return w;
  }

  const CheckpointTensor* find(const std::string& name) {
    const CheckpointTensor* tensor = checkpoint_.find(name);
    if (tensor == nullptr && missing_.empty()) missing_ = name;
    return tensor;
  }

  const Checkpoint& checkpoint_;
  const ArrangedWeights* arranged_;
  const ModelConfig& config_;
  std::string missing_;
};

}  // namespace

Result<ModelWeights> collect_weights(const Checkpoint& checkpoint,
                                     const ArrangedWeights* arranged) {
  Collector collector(checkpoint, arranged);
  ModelWeights weights = collector.model();
  if (!collector.missing().empty()) {
    return error(ErrorCode::not_found, "{}: tensor '{}' is missing", checkpoint.name(),
                 collector.missing());
  }
  return weights;
}

std::vector<std::span<const std::byte>> bytes_of_weights(const Checkpoint& checkpoint,
                                                         const ArrangedWeights* arranged) {
  std::vector<std::span<const std::byte>> ranges;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (tensor.name == "embed.weight") continue;
    const MatrixView view = arranged != nullptr ? arranged->view(tensor) : tensor.view;
    ranges.emplace_back(view.data, view.rows * view.row_stride);
  }
  return ranges;
}

}  // namespace hadal
