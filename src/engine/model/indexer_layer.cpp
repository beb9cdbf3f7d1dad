#include "engine/model/indexer_layer.h"

#include <algorithm>
#include <cmath>

namespace hadal {

IndexerLayer::IndexerLayer(const IndexerWeights& weights, const ModelConfig& config,
                           std::size_t layer, std::span<const float> rope_freq)
    : weights_(weights),
      n_heads_(config.index_n_heads),
      head_dim_(config.index_head_dim),
      top_k_(config.index_topk),
      rope_freq_(rope_freq),
      compressor_(weights.compressor, config.layer_types[layer], config.compress_ratios[layer],
                  config.index_head_dim, rope_freq, RowRounding::index) {}

RowSelection IndexerLayer::forward(Step& s, Rows<const float> qa, Rows<const float> x,
                                   std::size_t layer,
                                   std::span<const std::size_t> n_visible) const {
  const auto state_of = [layer](SequenceState& state) -> CompressorState& {
    return *state.layer(layer).indexer;
  };
  compressor_.forward(s, x, state_of);

  const std::size_t most =
      n_visible.empty() ? 0 : *std::max_element(n_visible.begin(), n_visible.end());
  const std::size_t top_k = std::min(top_k_, most);
  // Memory for top_k_ rows whatever the positions: a pass of equal shape takes equal memory.
  std::int32_t* rows = s.scratch.rows<std::int32_t>(s.n_tokens(), top_k_).data;
  RowSelection selection{.rows = dense_rows(rows, s.n_tokens(), top_k), .n_selected = {}};
  selection.n_selected = {s.scratch.rows<std::size_t>(1, s.n_tokens()).data, s.n_tokens()};

  const Scratch::Frame frame(s.scratch);
  const Rows<float> q = s.rows(n_heads_ * head_dim_);
  linear(s, qa, weights_.wq_b, q);
  s.backend.rope({.x = q,
                  .n_heads = n_heads_,
                  .head_dim = head_dim_,
                  .positions = s.positions,
                  .freq = rope_freq_});
  if (s.fake_quant) {
    const Rows<float> heads = dense_rows(q.data, q.n * n_heads_, head_dim_);
    hadamard(heads);
    fake_quant_e2m1(heads);
  }
  const Rows<float> head_weights = s.rows(n_heads_);
  linear(s, x, weights_.weights_proj, head_weights);
  const float factor =
      1.0f / std::sqrt(static_cast<float>(n_heads_) * static_cast<float>(head_dim_));
  for (std::size_t t = 0; t < head_weights.n; ++t) {
    for (std::size_t h = 0; h < n_heads_; ++h) head_weights[t][h] *= factor;  // ih^-1/2 id^-1/2
  }

  for (const SequenceSpan& sequence : s.sequences) {
    const std::size_t begin = sequence.begin;
    const std::size_t n = sequence.n_tokens;
    s.backend.indexer_select({.q = q.slice(begin, n),
                              .head_weights = head_weights.slice(begin, n),
                              .n_heads = n_heads_,
                              .keys = state_of(*sequence.state).rows.view(),
                              .n_visible = n_visible.subspan(begin, n),
                              .top_k = top_k,
                              .selected = selection.rows.slice(begin, n),
                              .n_selected = selection.n_selected.subspan(begin, n)});
  }
  return selection;
}

}  // namespace hadal
