#include "engine/model/attention_layer.h"

#include <algorithm>
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
  const std::size_t head_dim = config_.head_dim;
  const Rows<const float> x_in = linear_input(s, x);

  const Rows<float> qa = s.rows(config_.q_lora_rank);
  linear(s, x_in, weights_.wq_a, qa);
  rms_norm(s, qa, weights_.q_norm, qa);  // qa = RMSNorm(x wq_a^T)          also feeds the indexer
  const Rows<const float> qa_in = linear_input(s, qa);

  const Rows<float> kv = s.rows(head_dim);
  linear(s, x_in, weights_.wkv, kv);
  rms_norm(s, kv, weights_.kv_norm,
           kv);  // kv = RMSNorm(x wkv^T)           [n_tokens, c], key and value
  s.backend.rope(
      {.x = kv, .n_heads = 1, .head_dim = head_dim, .positions = s.positions, .freq = rope_freq_});
  if (s.fake_quant) fake_quant_e4m3(kv.columns(0, head_dim - 2 * rope_freq_.size()), 64);

  const VisibleRows visible = compress(s, x, qa_in);
  for (std::size_t begin = 0; begin < s.n_tokens(); begin += kBlockTokens) {
    forward_block(s, begin, std::min(kBlockTokens, s.n_tokens() - begin), qa_in, kv, visible, y);
  }

  for (const SequenceSpan& sequence : s.sequences) {
    slot_.of(*sequence.state)
        .window.write(sequence.start, kv.slice(sequence.begin, sequence.n_tokens));
  }
}

void AttentionLayer::forward_block(Step& s, std::size_t begin, std::size_t n, Rows<const float> qa,
                                   Rows<const float> kv, const VisibleRows& visible,
                                   Rows<float> y) const {
  const Scratch::Frame frame(s.scratch);
  const std::size_t n_heads = config_.num_attention_heads;
  const std::size_t head_dim = config_.head_dim;
  RopeArgs rope{.x = {},
                .n_heads = n_heads,
                .head_dim = head_dim,
                .positions = s.positions.subspan(begin, n),
                .freq = rope_freq_};

  const Rows<float> q = s.scratch.rows(n, n_heads * head_dim);
  linear(s, qa.slice(begin, n), weights_.wq_b, q);  // q = qa wq_b^T                   [n, H, c]
  const Rows<float> q_heads = dense_rows(q.data, n * n_heads, head_dim);
  rms_norm(s, q_heads, {}, q_heads);  // per head, weightless
  rope.x = q;
  s.backend.rope(rope);

  const Rows<float> heads = s.scratch.rows(n, n_heads * head_dim);
  attend(s, begin, q, kv, visible, heads);  // o_a = sum_j w_j key_j           [n, H, c]
  rope.x = heads;
  rope.direction = RopeDirection::inverse;
  s.backend.rope(rope);
  project_out(s, heads, y.slice(begin, n));
}

AttentionLayer::VisibleRows AttentionLayer::compress(Step& s, Rows<const float> x,
                                                     Rows<const float> qa) const {
  if (!compression_) return {};
  compression_->compressor.forward(s, x, [this](SequenceState& state) -> CompressorState& {
    return *slot_.of(state).attention;
  });
  // Compressed row j is visible to p iff j < floor((p+1) / m).
  const std::span<std::size_t> n_visible{s.scratch.rows<std::size_t>(1, s.n_tokens()).data,
                                         s.n_tokens()};
  for (std::size_t t = 0; t < s.n_tokens(); ++t) {
    n_visible[t] = (static_cast<std::size_t>(s.positions[t]) + 1) / compression_->ratio;
  }
  VisibleRows visible{.n_visible = n_visible, .selection = {}};
  if (compression_->indexer)
    visible.selection = compression_->indexer->forward(s, qa, x, slot_.index, n_visible);
  return visible;
}

void AttentionLayer::attend(Step& s, std::size_t begin, Rows<const float> q, Rows<const float> kv,
                            const VisibleRows& visible, Rows<float> out) const {
  for (const SequenceSpan& sequence : s.sequences) {
    const std::size_t first = std::max(begin, sequence.begin);
    const std::size_t end = std::min(begin + q.n, sequence.begin + sequence.n_tokens);
    if (first >= end) continue;
    const std::size_t n = end - first;
    LayerState& layer = slot_.of(*sequence.state);
    AttentionArgs args{.q = q.slice(first - begin, n),
                       .n_heads = config_.num_attention_heads,
                       .head_dim = config_.head_dim,
                       .start = sequence.start + (first - sequence.begin),
                       .window = config_.sliding_window,
                       .window_keys = layer.window.view(kv[sequence.begin], sequence.start),
                       .rows = {},
                       .selected = {},
                       .n_selected = {},
                       .n_visible = {},
                       .sinks = weights_.sinks,
                       .scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim)),
                       .out = out.slice(first - begin, n)};
    if (compression_) {
      args.rows = layer.attention->rows.view();
      args.n_visible = visible.n_visible.subspan(first, n);
    }
    if (!visible.selection.n_selected.empty()) {
      args.selected = visible.selection.rows.slice(first, n);
      args.n_selected = visible.selection.n_selected.subspan(first, n);
    }
    s.backend.attention(args);
  }
}

void AttentionLayer::project_out(Step& s, Rows<const float> heads, Rows<float> y) const {
  const std::size_t group_width = config_.o_group_width();
  const std::size_t rank = config_.o_lora_rank;
  const Rows<float> low = s.scratch.rows(heads.n, config_.o_groups * rank);
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
