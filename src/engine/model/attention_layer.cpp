#include "engine/model/attention_layer.h"

#include <cmath>

namespace hadal {

AttentionLayer::AttentionLayer(const AttentionWeights& weights, const ModelConfig& config,
                               LayerSlot slot, std::span<const float> rope_freq)
    : weights_(weights), config_(config), slot_(slot), rope_freq_(rope_freq) {
  if (!weights.compressor) return;
  const std::size_t layer = slot.index;
  compression_.emplace(
      Compression{.compressor = CompressorLayer(*weights.compressor, config.layer_types[layer],
                                                config.compress_ratios[layer], config.head_dim,
                                                rope_freq, RowRounding::latent),
                  .indexer = {},
                  .ratio = config.compress_ratios[layer]});
  if (weights.indexer) compression_->indexer.emplace(*weights.indexer, config, layer, rope_freq);
}

LayerState AttentionLayer::make_state(const StatePools& pools) const {
  LayerState state{.window = PositionRing(config_.sliding_window + SequenceState::kMaxRollback,
                                          config_.head_dim),
                   .attention = {},
                   .indexer = {}};
  if (compression_) state.attention = compression_->compressor.make_state(pools.latents);
  if (compression_ && compression_->indexer)
    state.indexer = compression_->indexer->make_state(pools);
  return state;
}

void AttentionLayer::forward(Step& s, Rows<const float> x, Rows<float> y) const {
  const Scratch::Frame frame(s.scratch);
  const std::size_t n_heads = config_.num_attention_heads;
  const std::size_t head_dim = config_.head_dim;
  const Rows<const float> x_in = linear_input(s, x);

  const Rows<float> qa = s.rows(config_.q_lora_rank);
  linear(s, x_in, weights_.wq_a, qa);
  rms_norm(s, qa, weights_.q_norm, qa);  // qa = RMSNorm(x wq_a^T)          also feeds the indexer
  const Rows<const float> qa_in = linear_input(s, qa);
  const Rows<float> q = s.rows(n_heads * head_dim);
  linear(s, qa_in, weights_.wq_b, q);  // q = qa wq_b^T                   [n_tokens, H, c]
  const Rows<float> q_heads = dense_rows(q.data, q.n * n_heads, head_dim);
  rms_norm(s, q_heads, {}, q_heads);  // per head, weightless
  s.backend.rope({.x = q,
                  .n_heads = n_heads,
                  .head_dim = head_dim,
                  .positions = s.positions,
                  .freq = rope_freq_});

  const Rows<float> kv = s.rows(head_dim);
  linear(s, x_in, weights_.wkv, kv);
  rms_norm(s, kv, weights_.kv_norm,
           kv);  // kv = RMSNorm(x wkv^T)           [n_tokens, c], key and value
  s.backend.rope(
      {.x = kv, .n_heads = 1, .head_dim = head_dim, .positions = s.positions, .freq = rope_freq_});
  if (s.fake_quant) fake_quant_e4m3(kv.columns(0, head_dim - 2 * rope_freq_.size()), 64);

  const Rows<float> heads = s.rows(n_heads * head_dim);
  attend(s, x, qa_in, q, kv, heads);  // o_a = sum_j w_j key_j           [n_tokens, H, c]
  s.backend.rope({.x = heads,
                  .n_heads = n_heads,
                  .head_dim = head_dim,
                  .positions = s.positions,
                  .freq = rope_freq_,
                  .direction = RopeDirection::inverse});
  project_out(s, heads, y);

  for (const SequenceSpan& sequence : s.sequences) {
    slot_.of(*sequence.state)
        .window.write(sequence.start, kv.slice(sequence.begin, sequence.n_tokens));
  }
}

void AttentionLayer::attend(Step& s, Rows<const float> x, Rows<const float> qa, Rows<const float> q,
                            Rows<const float> kv, Rows<float> out) const {
  std::span<std::size_t> n_visible;  // compressed row j is visible to p iff j < floor((p+1) / m)
  RowSelection selection{};
  if (compression_) {
    compression_->compressor.forward(s, x, [this](SequenceState& state) -> CompressorState& {
      return *slot_.of(state).attention;
    });
    n_visible = {s.scratch.rows<std::size_t>(1, s.n_tokens()).data, s.n_tokens()};
    for (std::size_t t = 0; t < s.n_tokens(); ++t) {
      n_visible[t] = (static_cast<std::size_t>(s.positions[t]) + 1) / compression_->ratio;
    }
    if (compression_->indexer)
      selection = compression_->indexer->forward(s, qa, x, slot_.index, n_visible);
  }

  for (const SequenceSpan& sequence : s.sequences) {
    const auto [state, begin, n, start] = sequence;
    LayerState& layer = slot_.of(*state);
    AttentionArgs args{.q = q.slice(begin, n),
                       .n_heads = config_.num_attention_heads,
                       .head_dim = config_.head_dim,
                       .start = start,
                       .window = config_.sliding_window,
                       .window_keys = layer.window.view(kv[begin], start),
                       .rows = {},
                       .selected = {},
                       .n_selected = {},
                       .n_visible = {},
                       .sinks = weights_.sinks,
                       .scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim)),
                       .out = out.slice(begin, n)};
    if (compression_) {
      args.rows = layer.attention->rows.view();
      args.n_visible = n_visible.subspan(begin, n);
    }
    if (!selection.n_selected.empty()) {
      args.selected = selection.rows.slice(begin, n);
      args.n_selected = selection.n_selected.subspan(begin, n);
    }
    s.backend.attention(args);
  }
}

void AttentionLayer::project_out(Step& s, Rows<const float> heads, Rows<float> y) const {
  const std::size_t group_width = config_.o_group_width();
  const std::size_t rank = config_.o_lora_rank;
  const Rows<float> low = s.rows(config_.o_groups * rank);
  for (std::size_t group = 0; group < config_.o_groups;
       ++group) {  // l_u = O[group u] wo_a[rows of u]^T
    s.backend.linear({.x = heads.columns(group * group_width, group_width),
                      .weight = weights_.wo_a,
                      .y = low.columns(group * rank, rank),
                      .row_begin = group * rank});
  }
  linear(s, linear_input(s, low), weights_.wo_b, y);  // y = concat_u(l_u) wo_b^T
}

}  // namespace hadal
