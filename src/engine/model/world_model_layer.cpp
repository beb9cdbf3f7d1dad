#include "engine/model/world_model_layer.h"

#include "base/check.h"
#include "engine/model/rope_table.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

/// For a config without structure tokens: no token id is one.
StructureTokens no_structure_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list;
  list.fill(-1);
  return StructureTokens::from_list(list);
}

/// x += y
void add(Rows<const float> y, Rows<float> x) {
  for (std::size_t t = 0; t < x.n; ++t) {
    for (std::size_t i = 0; i < x.width; ++i) x[t][i] += y[t][i];
  }
}

/// x[t] += row for every t
void add_row(const float* row, Rows<float> x) {
  for (std::size_t t = 0; t < x.n; ++t) {
    for (std::size_t i = 0; i < x.width; ++i) x[t][i] += row[i];
  }
}

/// One for all sequences, since what a sequence gets may depend on the model, the prompt and the
/// sampling seed alone. The trainer draws another for each sequence (train/event_masks.h); both
/// draws are independent.
constexpr std::uint64_t kRandomGraphSeed = 0;

}  // namespace

WorldModelLayer::WorldModelLayer(const WorldModelWeights& weights, const ModelConfig& config)
    : weights_(weights),
      config_(*config.world_model),
      hidden_size_(config.hidden_size),
      hc_mult_(config.hc_mult),
      rope_freq_(rope_frequencies(config_.rope_dim, WorldModelConfig::kRopeTheta, {})) {}

WorldModelState WorldModelLayer::make_state(const StatePools& pools) const {
  const EventGraphOptions options{
      .mode = config_.mask, .max_events = config_.max_events, .seed = kRandomGraphSeed};
  const std::size_t n_slots = config_.n_latent_steps * config_.layers;
  return {.graph = EventGraph(config_.structure_tokens.value_or(no_structure_tokens()), options),
          .rows = std::vector<RowStore>(n_slots, RowStore(row_width(config_), pools.world_model))};
}

// H: [n_tokens, n, d] residual streams. Symbols: docs/notation.md; formulas: world-model.md 2.4.
void WorldModelLayer::forward(Step& s, Rows<float> H) const {
  const Scratch::Frame frame(s.scratch);
  const auto visible = extend_graphs(s);  // j with M[i][j] = 1

  const Rows<float> r = s.rows(hidden_size_);
  read(H, r);  // r = sum_m a[m] H[m]
  rms_norm(s, r, weights_.in_norm, r);
  const Rows<float> x = s.rows(config_.latent_dim);
  linear(s, r, weights_.in_proj, x);  // u_0 = W_in RMSNorm(r)

  for (std::size_t t = 0; t < config_.n_latent_steps; ++t) {
    add_row(&weights_.step_embed[t * config_.latent_dim], x);  // x = u_t + s[t]
    for (std::size_t layer = 0; layer < config_.layers; ++layer)
      forward_body(s, t, layer, visible, x);  // u_(t+1)
  }

  rms_norm(s, x, weights_.out_norm, x);
  linear(s, x, weights_.out_proj, r);  // D = W_out RMSNorm(u_T)
  write(s, r, H);                      // H[m] += b[m] D
}

void WorldModelLayer::forward_body(Step& s, std::size_t loop, std::size_t layer,
                                   std::span<const VisibleRanges> visible, Rows<float> x) const {
  const Scratch::Frame frame(s.scratch);
  const WorldModelLayerWeights& w = weights_.layers[layer];
  const std::size_t kv_width = config_.n_kv_heads * config_.head_dim;
  const Rows<float> h = s.rows(config_.latent_dim);

  rms_norm(s, x, w.attn_norm, h);
  const Rows<float> q = s.rows(config_.n_heads * config_.head_dim);
  linear(s, h, w.q_proj, q);
  rotate(s, q, config_.n_heads);  // q_h = rope(W_q RMSNorm(x))
  const Rows<float> kv = s.rows(2 * kv_width);
  linear(s, h, w.k_proj, kv.columns(0, kv_width));
  rotate(s, kv.columns(0, kv_width), config_.n_kv_heads);  // k = rope(W_k RMSNorm(x))
  linear(s, h, w.v_proj, kv.columns(kv_width, kv_width));  // v = W_v RMSNorm(x)
  const Rows<float> heads = s.rows(config_.n_heads * config_.head_dim);
  attend(s, loop * config_.layers + layer, w.sinks, q, kv, visible, heads);
  linear(s, heads, w.o_proj, h);
  add(h, x);  // x' = x + W_o concat_h(o_h)

  rms_norm(s, x, w.ffn_norm, h);
  const Rows<float> gate = s.rows(config_.intermediate);
  const Rows<float> up = s.rows(config_.intermediate);
  linear(s, h, w.w1, gate);
  linear(s, h, w.w3, up);
  s.backend.swiglu({.gate = gate, .up = up, .limit = 0.0f, .out = gate});
  linear(s, gate, w.w2, h);
  add(h, x);  // u = x' + W_2 (SiLU(W_1 n) * W_3 n),  n = RMSNorm(x')
}

std::span<const VisibleRanges> WorldModelLayer::extend_graphs(Step& s) const {
  VisibleRanges* visible = s.scratch.rows<VisibleRanges>(1, s.n_tokens()).data;
  for (const SequenceSpan& sequence : s.sequences) {
    EventGraph& graph = sequence.state->world_model()->graph;
    HADAL_CHECK(graph.n_tokens() == sequence.start, "the graph holds the sequence so far");
    graph.push(s.tokens.subspan(sequence.begin, sequence.n_tokens));
    for (std::size_t i = 0; i < sequence.n_tokens; ++i) {
      const std::size_t position = sequence.start + i;
      const VisibleTokens seen = graph.visible(position);
      visible[sequence.begin + i] = {.before = seen.before,
                                     .last = {static_cast<std::uint32_t>(seen.tail),
                                              static_cast<std::uint32_t>(position + 1)}};
    }
  }
  return {visible, s.n_tokens()};
}

void WorldModelLayer::attend(Step& s, std::size_t slot, std::span<const float> sinks,
                             Rows<const float> q, Rows<const float> kv,
                             std::span<const VisibleRanges> visible, Rows<float> out) const {
  const bool is_last = slot + 1 == config_.n_latent_steps * config_.layers;
  for (const SequenceSpan& sequence : s.sequences) {
    const std::size_t n = sequence.n_tokens;
    WorldModelState& state = *sequence.state->world_model();
    RowStore& rows = state.rows[slot];
    for (std::size_t i = 0; i < n; ++i) rows.append(kv[sequence.begin + i]);
    const RangeAttentionArgs args{.q = q.slice(sequence.begin, n),
                                  .n_heads = config_.n_heads,
                                  .n_kv_heads = config_.n_kv_heads,
                                  .head_dim = config_.head_dim,
                                  .rows = rows.view(),
                                  .visible = visible.subspan(sequence.begin, n),
                                  .sinks = sinks,
                                  .scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim)),
                                  .out = out.slice(sequence.begin, n)};
    s.backend.range_attention(args);
    if (is_last && sequence.attended != nullptr) explain(args, state.graph, *sequence.attended);
  }
}

void WorldModelLayer::explain(const RangeAttentionArgs& args, const EventGraph& graph,
                              std::vector<float>& attended) const {
  const std::size_t last = args.visible.size() - 1;
  const VisibleRanges& visible = args.visible[last];
  std::vector<double> weights(visible.size());
  std::vector<double> shares(graph.events().size() + 1);
  for (std::size_t head = 0; head < config_.n_heads; ++head) {
    range_attention_weights(args, last, head, weights);
    const double* weight = weights.data();
    const auto count = [&](const RowRange& range) {
      for (std::size_t token = range.begin; token < range.end; ++token)
        shares[graph.segment(token)] += *weight++ / static_cast<double>(config_.n_heads);
    };
    for (const RowRange& range : visible.before) count(range);
    count(visible.last);
  }
  attended.resize(shares.size());
  std::transform(shares.begin(), shares.end(), attended.begin(),
                 [](double share) { return static_cast<float>(share); });
}

void WorldModelLayer::rotate(Step& s, Rows<float> x, std::size_t n_heads) const {
  s.backend.rope({.x = x,
                  .n_heads = n_heads,
                  .head_dim = config_.head_dim,
                  .positions = s.positions,
                  .freq = rope_freq_,
                  .pairs = RopePairs::halves});
}

void WorldModelLayer::read(Rows<const float> streams, Rows<float> hidden) const {
  for (std::size_t t = 0; t < streams.n; ++t) {
    for (std::size_t i = 0; i < hidden_size_; ++i) {
      float sum = 0.0f;
      for (std::size_t m = 0; m < hc_mult_; ++m)
        sum += weights_.read[m] * streams[t][m * hidden_size_ + i];
      hidden[t][i] = sum;
    }
  }
}

void WorldModelLayer::write(const Step& s, Rows<const float> update, Rows<float> streams) const {
  for (const SequenceSpan& sequence : s.sequences) {
    const EventGraph& graph = sequence.state->world_model()->graph;
    for (std::size_t i = 0; i < sequence.n_tokens; ++i) {
      if (config_.skip_root && graph.segment(sequence.start + i) == 0) continue;
      const float* delta = update[sequence.begin + i];
      float* stream = streams[sequence.begin + i];
      for (std::size_t m = 0; m < hc_mult_; ++m, stream += hidden_size_) {
        for (std::size_t c = 0; c < hidden_size_; ++c) stream[c] += weights_.write[m] * delta[c];
      }
    }
  }
}

}  // namespace hadal
