// The V4 graph for training: an independent second implementation of deepseek-v4.md sections 2-7.1
// on LibTorch. It shares no code with src/engine (only the ModelConfig struct), so that each can be
// the other's oracle.
#pragma once

#include "base/result.h"
#include "engine/model/config.h"
#include "train/ops.h"
#include "train/parameter.h"
#include "train/world_model.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>

namespace hadal::train {

struct HyperWeights {
  at::Tensor fn, base, scale;
};

struct CompressorWeights {
  at::Tensor wkv, wgate, ape, norm;
};

struct IndexerWeights {
  at::Tensor wq_b, weights_proj;
  CompressorWeights compressor;
};

struct AttentionWeights {
  AttentionType type;
  std::int64_t ratio;
  at::Tensor wq_a, q_norm, wq_b, wkv, kv_norm, wo_a, wo_b, sink;
  std::optional<CompressorWeights> compressor;
  std::optional<IndexerWeights> indexer;
};

struct MoeWeights {
  MlpType type;
  at::Tensor gate, bias, tid2eid, w1, w2, w3, shared_w1, shared_w2, shared_w3;
};

struct LayerWeights {
  at::Tensor attn_norm, ffn_norm;
  HyperWeights hc_attn, hc_ffn;
  AttentionWeights attn;
  MoeWeights ffn;
};

struct MtpWeights {
  LayerWeights layer;
  at::Tensor enorm, hnorm, e_proj, h_proj, norm;
  HyperWeights hc_head;
};

/// What the routers did in one forward pass, per MoE block (main layers, then MTP blocks).
struct RouterTrace {
  std::vector<at::Tensor>
      load;  ///< [experts] assignments, float; undefined for a block that did not run
  at::Tensor
      balance;  ///< sum over blocks of the sequence-wise balance loss, undefined if not asked for
};

/// The world model's part of a forward pass.
struct WorldModelTrace {
  EventMasks masks;     ///< in: what its attention sees
  Latents latents;      ///< out
  bool is_end = false;  ///< in: the latents are all that is wanted; the layers behind do not run
};

class V4Model {
 public:
  /// Gives the storage of each tensor; called once per parameter in a fixed order.
  using TensorSource =
      std::function<at::Tensor(std::string_view name, ParameterKind kind, at::IntArrayRef shape)>;

  V4Model(const ModelConfig& config, const TensorSource& source);

  /// A model whose parameters share the storage of this one but have gradients of their own (data
  /// parallelism).
  V4Model replica() const;

  /// Streams [N, n, d] after the last layer, for ids [B, S] int64 starting at position 0 (right
  /// padding is harmless). Without `world_model` the masks of a config that has one are those of
  /// its mode, with seed 0.
  at::Tensor streams(const at::Tensor& ids, RouterTrace* trace = nullptr,
                     WorldModelTrace* world_model = nullptr) const;
  /// Normed output vectors [N, d] of the main model: logits = z head^T.
  at::Tensor collapse(const at::Tensor& streams) const;
  /// The same for MTP block `block`: `streams` of the previous stage and the ids shifted by one,
  /// [B, S]. `out_streams`, if given, receives the block's own streams (for chaining).
  at::Tensor mtp(std::size_t block, const at::Tensor& streams, const at::Tensor& next_ids,
                 RouterTrace* trace = nullptr, at::Tensor* out_streams = nullptr) const;

  const at::Tensor& head() const { return head_; }
  const ModelConfig& config() const { return config_; }
  /// Nothing when the config has none.
  const std::optional<WorldModel>& world_model() const { return world_model_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Router biases per MoE block, undefined for hash layers; same order as RouterTrace::load.
  std::vector<at::Tensor> router_biases() const;
  std::int64_t n_parameters() const;

 private:
  struct Shape {
    std::int64_t batch, sequence;
  };
  at::Tensor make(const TensorSource& source, const std::string& name, ParameterKind kind,
                  at::IntArrayRef shape);
  HyperWeights make_hyper(const TensorSource& source, const std::string& prefix,
                          std::int64_t outputs, std::int64_t scales);
  CompressorWeights make_compressor(const TensorSource& source, const std::string& prefix,
                                    std::int64_t ratio, std::int64_t series, std::int64_t width);
  AttentionWeights make_attention(const TensorSource& source, const std::string& prefix,
                                  AttentionType type, std::int64_t ratio);
  MoeWeights make_moe(const TensorSource& source, const std::string& prefix, MlpType type);
  LayerWeights make_layer(const TensorSource& source, const std::string& prefix, AttentionType type,
                          std::int64_t ratio, MlpType mlp);

  at::Tensor layer(const LayerWeights& w, const at::Tensor& h, const at::Tensor& ids, Shape shape,
                   std::size_t block, RouterTrace* trace) const;
  at::Tensor attend(const AttentionWeights& w, const at::Tensor& x, Shape shape) const;
  at::Tensor compress(const CompressorWeights& w, const at::Tensor& x, Shape shape, bool overlap,
                      std::int64_t ratio) const;
  at::Tensor select_rows(const IndexerWeights& w, const at::Tensor& x, const at::Tensor& qa,
                         Shape shape, std::int64_t ratio) const;
  at::Tensor moe(const MoeWeights& w, const at::Tensor& x, const at::Tensor& ids, Shape shape,
                 std::size_t block, RouterTrace* trace) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  HyperSettings hyper_settings() const;
  at::Tensor add_world_model(const at::Tensor& h, const at::Tensor& ids,
                             WorldModelTrace* trace) const;

  ModelConfig config_;
  std::vector<Parameter> parameters_;
  at::Tensor embed_, head_, norm_;
  HyperWeights hc_head_;
  std::vector<LayerWeights> layers_;
  std::optional<WorldModel> world_model_;
  std::vector<MtpWeights> mtp_;
  Rope main_rope_, compress_rope_;
  std::map<std::int64_t, Rope> row_ropes_;  ///< compress table at positions 0, ratio, 2 ratio, ...
};

/// Ok when this trainer can run the shape (validate() of the engine is assumed to have passed).
Result<void> check_trainable(const ModelConfig& config);

/// Fresh weights: matrices N(0, gain / sqrt(fan_in)), hyper-connections near the identity, a random
/// hash table.
V4Model::TensorSource random_initialisation(const ModelConfig& config, std::uint64_t seed);

/// The deterministic weights of deepseek-v4.md A.1, which golden logits are stated for.
V4Model::TensorSource appendix_weights(const ModelConfig& config);

}  // namespace hadal::train
