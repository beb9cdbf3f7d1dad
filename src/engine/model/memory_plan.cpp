#include "engine/model/memory_plan.h"

#include "base/checked_math.h"
#include "engine/kernels/linear/int8_layout.h"
#include "engine/memory/scratch.h"
#include "engine/memory/sequence_state.h"
#include "engine/model/attention_layer.h"
#include "engine/model/world_model_layer.h"

#include <algorithm>

namespace hadal {
namespace {

/// Counts as Scratch does. Every function below mirrors the frame of the layer it names.
class Arena {
 public:
  class Frame {
   public:
    explicit Frame(Arena& arena) : arena_(arena), used_(arena.used_) {}
    ~Frame() { arena_.used_ = used_; }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Arena& arena_;
    std::size_t used_;
  };

  template <typename T = float>
  void rows(std::size_t n, std::size_t width) {
    used_ += ceil_div(n * width * sizeof(T), Scratch::kAlignment) * Scratch::kAlignment;
    peak_ = std::max(peak_, used_);
  }
  std::size_t peak() const { return peak_; }

 private:
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

struct Pass {
  const ModelConfig& config;
  const PassLimits& limits;
  Arena arena;

  std::size_t n_tokens() const { return limits.n_tokens; }
};

void add_compressor(Pass& p, std::size_t series, std::size_t ratio, std::size_t width) {
  const Arena::Frame frame(p.arena);
  const std::size_t n_windows = p.n_tokens() / ratio + p.limits.n_sequences;
  for (int i = 0; i < 2; ++i) p.arena.rows(p.n_tokens(), series * width);  // values, gates
  for (int i = 0; i < 2; ++i) p.arena.rows<const float*>(n_windows, series * ratio);
  p.arena.rows<std::int64_t>(1, n_windows);
  p.arena.rows(n_windows, width);
}

void add_indexer(Pass& p, std::size_t ratio) {
  const ModelConfig& c = p.config;
  add_compressor(p, 2, ratio, c.index_head_dim);
  p.arena.rows<std::int32_t>(p.n_tokens(), c.index_topk);
  p.arena.rows<std::size_t>(1, p.n_tokens());
  const Arena::Frame frame(p.arena);
  p.arena.rows(p.n_tokens(), c.index_n_heads * c.index_head_dim);
  p.arena.rows(p.n_tokens(), c.index_n_heads);
}

void add_attention(Pass& p, AttentionType type, std::size_t ratio) {
  const ModelConfig& c = p.config;
  const Arena::Frame frame(p.arena);
  p.arena.rows(p.n_tokens(), c.q_lora_rank);
  p.arena.rows(p.n_tokens(), c.head_dim);
  if (type != AttentionType::sliding) {
    add_compressor(p, type == AttentionType::csa ? 2 : 1, ratio, c.head_dim);
    p.arena.rows<std::size_t>(1, p.n_tokens());
    if (type == AttentionType::csa) add_indexer(p, ratio);
  }
  const std::size_t n = std::min(p.n_tokens(), AttentionLayer::kBlockTokens);
  for (int i = 0; i < 2; ++i) p.arena.rows(n, c.num_attention_heads * c.head_dim);  // q, heads
  p.arena.rows(n, c.o_groups * c.o_lora_rank);
}

void add_moe(Pass& p) {
  const Arena::Frame frame(p.arena);
  p.arena.rows(p.n_tokens(), p.config.n_routed_experts);
  p.arena.rows<std::int32_t>(p.n_tokens(), p.config.num_experts_per_tok);
  p.arena.rows(p.n_tokens(), p.config.num_experts_per_tok);
}

void add_block(Pass& p, AttentionType type, std::size_t ratio) {
  const std::size_t n = p.config.hc_mult;
  const Arena::Frame frame(p.arena);
  for (int i = 0; i < 2; ++i) p.arena.rows(p.n_tokens(), p.config.hidden_size);  // h, out
  const auto add_mix = [&] {
    p.arena.rows(p.n_tokens(), n);
    p.arena.rows(p.n_tokens(), n * n);
  };
  add_mix();
  add_attention(p, type, ratio);
  add_mix();
  add_moe(p);
}

void add_world_model(Pass& p) {
  const WorldModelConfig& c = *p.config.world_model;
  const Arena::Frame frame(p.arena);
  p.arena.rows<VisibleRanges>(1, p.n_tokens());
  p.arena.rows(p.n_tokens(), p.config.hidden_size);
  for (int i = 0; i < 2; ++i) p.arena.rows(p.n_tokens(), c.latent_dim);  // x, h
  p.arena.rows(p.n_tokens(), c.n_heads * c.head_dim);
  p.arena.rows(p.n_tokens(), WorldModelLayer::row_width(c));
  p.arena.rows(p.n_tokens(), c.n_heads * c.head_dim);
  for (int i = 0; i < 2; ++i) p.arena.rows(p.n_tokens(), c.intermediate);  // gate, up
}

void add_head(Pass& p) {
  p.arena.rows(p.limits.n_logits, p.config.hc_mult * p.config.hidden_size);
  p.arena.rows(p.limits.n_logits, p.config.hidden_size);
}

void add_main_pass(Pass& p) {
  const Arena::Frame frame(p.arena);
  p.arena.rows(p.n_tokens(), p.config.hc_mult * p.config.hidden_size);
  for (std::size_t layer = 0; layer < p.config.num_hidden_layers; ++layer)
    add_block(p, p.config.layer_types[layer], p.config.compress_ratios[layer]);
  if (p.config.world_model) add_world_model(p);
  add_head(p);
}

void add_mtp_pass(Pass& p) {
  const std::size_t d = p.config.hidden_size;
  const std::size_t n = p.config.hc_mult;
  const Arena::Frame frame(p.arena);
  p.arena.rows(p.n_tokens(), n * d);  // streams
  p.arena.rows(p.n_tokens(), d);      // embeddings
  {
    const Arena::Frame block(p.arena);
    for (int i = 0; i < 2; ++i) p.arena.rows(p.n_tokens(), d);  // e, projected
    p.arena.rows(p.n_tokens() * n, d);
    add_block(p, AttentionType::sliding, 0);
  }
  add_head(p);
}

/// Rows of `n_tokens` tokens in whole pages.
std::uint64_t row_bytes(std::size_t n_tokens, std::size_t ratio, std::size_t width) {
  const std::size_t n_pages = ceil_div(n_tokens / ratio, RowStore::kRowsPerPage);
  return std::uint64_t{n_pages} * RowStore::kRowsPerPage * width * sizeof(float);
}

/// Floats that the world model remembers of a token.
std::size_t floats_per_token(const WorldModelConfig& c) {
  return c.n_latent_steps * c.layers * WorldModelLayer::row_width(c);
}

}  // namespace

std::size_t activation_bytes(const ModelConfig& config, const PassLimits& limits) {
  Pass pass{.config = config, .limits = limits, .arena = {}};
  add_main_pass(pass);
  if (config.num_nextn_predict_layers > 0) add_mtp_pass(pass);
  return pass.arena.peak();
}

StateBytes state_bytes(const ModelConfig& c, std::size_t n_tokens) {
  constexpr std::size_t kSlack = SequenceState::kMaxRollback;
  StateBytes bytes;
  bytes.windows = (c.num_hidden_layers + c.num_nextn_predict_layers) * (c.sliding_window + kSlack) *
                  c.head_dim * sizeof(float);
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (c.layer_types[layer] == AttentionType::sliding) continue;
    const std::size_t ratio = c.compress_ratios[layer];
    const std::size_t series = c.compressor_series(layer);
    const bool indexed = c.layer_types[layer] == AttentionType::csa;
    const std::size_t width = c.head_dim + (indexed ? c.index_head_dim : 0);
    bytes.pending += 2 * (series * ratio + kSlack) * series * width * sizeof(float);
    (indexed ? bytes.csa_rows : bytes.hca_rows) += row_bytes(n_tokens, ratio, c.head_dim);
    if (indexed) bytes.index_keys += row_bytes(n_tokens, ratio, c.index_head_dim);
  }
  if (const auto& m = c.world_model)
    bytes.world_model = row_bytes(n_tokens, 1, floats_per_token(*m)) +
                        EventGraph::reserved_bytes(n_tokens + kSlack, m->max_events);
  return bytes;
}

StateBytes state_bytes_per_1k(const ModelConfig& c) {
  constexpr std::uint64_t kTokens = 1024;
  StateBytes bytes;
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (c.layer_types[layer] == AttentionType::sliding) continue;
    const std::size_t ratio = c.compress_ratios[layer];
    const bool indexed = c.layer_types[layer] == AttentionType::csa;
    (indexed ? bytes.csa_rows : bytes.hca_rows) += kTokens * c.head_dim * sizeof(float) / ratio;
    if (indexed) bytes.index_keys += kTokens * c.index_head_dim * sizeof(float) / ratio;
  }
  if (const auto& m = c.world_model)
    bytes.world_model =
        kTokens * floats_per_token(*m) * sizeof(float) + EventGraph::reserved_bytes(kTokens, 0);
  return bytes;
}

WeightBytes weight_bytes(const Checkpoint& checkpoint) {
  WeightBytes bytes;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    const auto has = [&](std::string_view part) {
      return name.find(part) != std::string_view::npos;
    };
    std::uint64_t& kind = name.starts_with("mtp.")           ? bytes.mtp
                          : name.starts_with("world_model.") ? bytes.world_model
                          : has(".experts.")                 ? bytes.routed_experts
                          : has(".attn.")                    ? bytes.attention
                          : name.starts_with("embed.") || name.starts_with("head.")
                              ? bytes.embedding_and_head
                              : bytes.other;
    kind += bytes_of(tensor.view);
  }
  return bytes;
}

WorkShape work_shape(const ModelConfig& c, const PassLimits& limits) {
  const std::size_t context = limits.context > 0 ? limits.context : c.max_position_embeddings;
  WorkShape shape{.n_tokens = limits.n_tokens,
                  .hidden_size = c.hidden_size,
                  .hc_mult = c.hc_mult,
                  .n_block_tokens = AttentionLayer::kBlockTokens,
                  .widest_input = std::max({c.hidden_size, c.q_lora_rank, c.o_group_width(),
                                            c.o_groups * c.o_lora_rank}),
                  .n_heads = c.num_attention_heads,
                  .head_dim = c.head_dim,
                  .n_keys = c.sliding_window,
                  .n_index_rows = 0,
                  .index_n_heads = c.index_n_heads,
                  .index_head_dim = c.index_head_dim,
                  .n_routed_experts = c.n_routed_experts,
                  .num_experts_per_tok = c.num_experts_per_tok,
                  .n_shared_experts = c.n_shared_experts,
                  .moe_intermediate_size = c.moe_intermediate_size};
  if (const auto& m = c.world_model) {
    shape.n_range_keys = context;
    shape.n_range_heads = m->n_heads / m->n_kv_heads;
    shape.range_head_dim = m->head_dim;
    shape.widest_token_input = std::max({m->latent_dim, m->n_heads * m->head_dim, m->intermediate});
  }
  for (std::size_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (c.layer_types[layer] == AttentionType::sliding) continue;
    const std::size_t n_rows = context / c.compress_ratios[layer];
    const bool indexed = c.layer_types[layer] == AttentionType::csa;
    const std::size_t n_selected = indexed ? std::min(c.index_topk, n_rows) : n_rows;
    shape.n_keys = std::max(shape.n_keys, c.sliding_window + n_selected);
    if (indexed) shape.n_index_rows = std::max(shape.n_index_rows, n_rows);
  }
  return shape;
}

MemoryPlan plan_memory(const Checkpoint& checkpoint, const Backend& backend,
                       const PassLimits& limits) {
  const ModelConfig& config = checkpoint.config();
  WorkShape shape = work_shape(config, limits);
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (tensor.name.find(".experts.") == std::string::npos) continue;
    shape.int8_experts = has_int8_product(tensor.view);
    break;
  }
  const std::size_t context = limits.context > 0 ? limits.context : config.max_position_embeddings;
  return {.weights = weight_bytes(checkpoint),
          .activations = activation_bytes(config, limits),
          .workspace = backend.workspace_bytes(shape),
          .logits = std::uint64_t{limits.n_logits} * config.vocab_size * sizeof(float),
          .state = state_bytes(config, context),
          .state_per_1k = state_bytes_per_1k(config),
          .n_sequences = limits.n_sequences};
}

}  // namespace hadal
