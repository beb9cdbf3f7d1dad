#include "engine/model/model.h"

#include "base/check.h"
#include "engine/model/rope_table.h"

#include <algorithm>

namespace hadal {

/// The tokens of all inputs side by side, with what the layers need to know about each.
struct Model::Batch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> positions;
  std::vector<SequenceSpan> sequences;
  std::vector<std::size_t> wanted;  ///< rows whose logits are asked for

  void clear() {
    tokens.clear();
    positions.clear();
    sequences.clear();
    wanted.clear();
  }

  void add(SequenceState* state, std::span<const std::int32_t> ids, std::size_t start,
           LogitsFor logits, std::vector<float>* attended = nullptr) {
    const std::size_t begin = tokens.size();
    if (attended != nullptr) attended->clear();
    sequences.push_back({.state = state,
                         .begin = begin,
                         .n_tokens = ids.size(),
                         .start = start,
                         .attended = attended});
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      positions.push_back(static_cast<std::int64_t>(start + i));
      if (logits == LogitsFor::all || (logits == LogitsFor::last && i + 1 == ids.size()))
        wanted.push_back(begin + i);
    }
  }
};

Result<std::unique_ptr<Model>> Model::create(const Checkpoint& checkpoint, Backend& backend,
                                             const ModelOptions& options) {
  const ArrangedWeights* arranged = backend.reads_panels() ? options.arranged : nullptr;
  HADAL_ASSIGN(ModelWeights weights, collect_weights(checkpoint, arranged));
  ModelConfig config = checkpoint.config();
  HADAL_TRY(apply_options(options.world_model, config.world_model, checkpoint.name()));
  std::unique_ptr<Model> model(new Model(std::move(config), std::move(weights), backend, options));
  model->page_mapper_ = std::make_unique<PageMapper>(bytes_of_weights(checkpoint, arranged));
  return model;
}

Model::Model(ModelConfig config, ModelWeights weights, Backend& backend,
             const ModelOptions& options)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      backend_(backend),
      options_(options),
      main_freq_(rope_frequencies(config_.qk_rope_head_dim, config_.rope_theta, config_.main_yarn)),
      compress_freq_(
          rope_frequencies(config_.qk_rope_head_dim, config_.compress_rope_theta, config_.yarn)),
      pools_{.latents = std::make_shared<PagePool>(RowStore::kRowsPerPage * config_.head_dim),
             .index_keys = std::make_shared<PagePool>(
                 RowStore::kRowsPerPage * std::max<std::size_t>(config_.index_head_dim, 1)),
             .world_model = {}},
      batch_(std::make_unique<Batch>()) {
  for (std::size_t layer = 0; layer < weights_.blocks.size(); ++layer) {
    const bool sliding = config_.layer_types[layer] == AttentionType::sliding;
    blocks_.emplace_back(weights_.blocks[layer], config_, LayerSlot{.index = layer},
                         sliding ? main_freq_ : compress_freq_);
  }
  if (config_.world_model) {
    pools_.world_model = std::make_shared<PagePool>(
        RowStore::kRowsPerPage * WorldModelLayer::row_width(*config_.world_model));
    world_model_.emplace(*weights_.world_model, config_);
  }
  for (std::size_t stage = 0; stage < weights_.mtp.size(); ++stage) {
    mtp_.emplace_back(weights_.mtp[stage], config_, stage, main_freq_);
  }
}

Model::~Model() = default;

std::size_t Model::page_bytes() const {
  std::size_t total = pools_.latents->bytes_in_use() + pools_.index_keys->bytes_in_use();
  if (pools_.world_model) total += pools_.world_model->bytes_in_use();
  return total;
}

SequenceState Model::new_sequence() const {
  std::vector<LayerState> layers;
  for (const Block& block : blocks_) layers.push_back(block.make_state(pools_));
  std::vector<LayerState> mtp_layers;
  for (const MtpBlock& block : mtp_) mtp_layers.push_back(block.make_state(pools_));
  std::optional<WorldModelState> world_model;
  if (world_model_) world_model = world_model_->make_state(pools_);
  return SequenceState(std::move(layers), std::move(mtp_layers), std::move(world_model));
}

void Model::reserve(const PassLimits& limits) {
  scratch_.reserve(activation_bytes(config_, limits));
  backend_.reserve(work_shape(config_, limits));
}

Step Model::make_step(const Batch& batch) {
  return {.backend = backend_,
          .config = config_,
          .scratch = scratch_,
          .tokens = batch.tokens,
          .positions = batch.positions,
          .sequences = batch.sequences,
          .fake_quant = options_.fake_quant};
}

ForwardOutput Model::forward(std::span<const ForwardInput> inputs, bool want_streams) {
  ForwardOutput output;
  forward(inputs, output, want_streams);
  return output;
}

void Model::forward(std::span<const ForwardInput> inputs, ForwardOutput& output,
                    bool want_streams) {
  Batch& batch = *batch_;
  batch.clear();
  for (const ForwardInput& input : inputs)
    batch.add(input.state, input.tokens, input.state->n_tokens(), input.logits, input.attended);
  const Scratch::Frame frame(scratch_);
  Step s = make_step(batch);

  const Rows<float> streams = s.rows(config_.hc_mult * config_.hidden_size);
  embed(s, batch.tokens, streams);  // X[j] = embed[token] for every stream j
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    blocks_[layer].forward(s, streams);
    if (world_model_ && layer == config_.world_model->after_layer)
      world_model_->forward(s, streams);
  }

  head(s, weights_.head, weights_.norm, streams, batch.wanted, output);
  output.streams.clear();
  if (want_streams) output.streams.assign(streams.data, streams.data + streams.n * streams.width);
  for (const ForwardInput& input : inputs) input.state->advance(input.tokens.size());
}

ForwardOutput Model::forward_mtp(std::span<const MtpInput> inputs) {
  HADAL_CHECK(has_mtp(), "the model has an MTP block");
  Batch& batch = *batch_;
  batch.clear();
  for (const MtpInput& input : inputs)
    batch.add(input.state, input.next_tokens, input.state->n_mtp_tokens(), input.logits);
  const Scratch::Frame frame(scratch_);
  Step s = make_step(batch);

  const Rows<float> streams = s.rows(config_.hc_mult * config_.hidden_size);
  float* next = streams.data;
  for (const MtpInput& input : inputs)
    next = std::copy(input.streams.begin(), input.streams.end(), next);
  const Rows<float> embeddings = s.rows(config_.hidden_size);
  backend_.embedding({.ids = batch.tokens, .table = weights_.embed, .out = embeddings});
  const MtpBlock& block = mtp_.front();
  block.forward(s, embeddings, streams);

  ForwardOutput output;
  head(s, block.weights().head, block.weights().norm, streams, batch.wanted, output);
  output.streams.assign(streams.data, streams.data + streams.n * streams.width);
  for (const MtpInput& input : inputs) input.state->advance_mtp(input.next_tokens.size());
  return output;
}

void Model::embed(Step& s, std::span<const std::int32_t> tokens, Rows<float> streams) {
  for (std::size_t j = 0; j < config_.hc_mult; ++j) {
    s.backend.embedding({.ids = tokens,
                         .table = weights_.embed,
                         .out = streams.columns(j * config_.hidden_size, config_.hidden_size)});
  }
}

void Model::head(Step& s, const HyperConnectionHead& head, std::span<const float> norm,
                 Rows<const float> streams, std::span<const std::size_t> wanted,
                 ForwardOutput& output) {
  output.vocab_size = config_.vocab_size;
  output.logits.resize(wanted.size() * config_.vocab_size);
  if (wanted.empty()) return;
  const Rows<float> chosen = s.scratch.rows(wanted.size(), streams.width);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    std::copy_n(streams[wanted[i]], streams.width, chosen[i]);

  const Rows<float> z = s.scratch.rows(wanted.size(), config_.hidden_size);
  s.backend.hyper_connection_head({.streams = chosen,
                                   .hc_mult = config_.hc_mult,
                                   .fn = head.fn,
                                   .base = head.base,
                                   .scale = head.scale,
                                   .rms_norm_eps = s.rms_norm_eps(),
                                   .hc_eps = static_cast<float>(config_.hc_eps),
                                   .hidden = z});  // z = HEAD(X)
  rms_norm(s, z, norm, z);
  linear(s, z, weights_.lm_head,
         dense_rows(output.logits.data(), wanted.size(), config_.vocab_size));
}

}  // namespace hadal
