#include "engine/model/compressor_layer.h"

namespace hadal {

CompressorLayer::CompressorLayer(const CompressorWeights& weights, AttentionType type,
                                 std::size_t ratio, std::size_t width,
                                 std::span<const float> rope_freq, RowRounding rounding)
    : weights_(weights),
      series_(type == AttentionType::csa ? 2 : 1),
      ratio_(ratio),
      width_(width),
      rope_freq_(rope_freq),
      rounding_(rounding) {}

CompressorState CompressorLayer::make_state(std::shared_ptr<PagePool> pages) const {
  const std::size_t capacity = series_ * ratio_ + SequenceState::kMaxRollback;
  return {.values = PositionRing(capacity, series_ * width_),
          .gates = PositionRing(capacity, series_ * width_),
          .rows = RowStore(width_, std::move(pages)),
          .ratio = ratio_};
}

void CompressorLayer::forward(
    Step& s, Rows<const float> x,
    const std::function<CompressorState&(SequenceState&)>& state_of) const {
  const Scratch::Frame frame(s.scratch);
  const Rows<float> values = s.rows(series_ * width_);
  const Rows<float> gates = s.rows(series_ * width_);
  linear(s, x, weights_.wkv, values);   // K_t = x_t wkv^T
  linear(s, x, weights_.wgate, gates);  // G_t = x_t wgate^T + ape[t mod m]
  add_position_bias(s, gates);

  // The most windows that a step of this size completes: memory does not depend on positions.
  const std::size_t most_windows = s.n_tokens() / ratio_ + s.sequences.size();
  const std::size_t n_slots = series_ * ratio_;
  const auto value_slots = s.scratch.rows<const float*>(most_windows, n_slots);
  const auto gate_slots = s.scratch.rows<const float*>(most_windows, n_slots);
  std::int64_t* row_positions =  // first token of each window: where its row is roped
      s.scratch.rows<std::int64_t>(1, most_windows).data;
  Rows<float> rows = s.scratch.rows(most_windows, width_);
  rows.n = 0;
  for (const SequenceSpan& sequence : s.sequences) {
    gather_slots(sequence, state_of(*sequence.state), values, gates, value_slots[rows.n],
                 gate_slots[rows.n]);
    const std::size_t first = sequence.start / ratio_;
    for (std::size_t i = 0; i < n_windows(sequence); ++i) {
      row_positions[rows.n++] = static_cast<std::int64_t>((first + i) * ratio_);
    }
  }

  s.backend.compressor_pool({.values = {value_slots.data, rows.n * n_slots},
                             .gates = {gate_slots.data, rows.n * n_slots},
                             .n_slots = n_slots,
                             .out = rows});
  rms_norm(s, rows, weights_.norm, rows);
  s.backend.rope({.x = rows,
                  .n_heads = 1,
                  .head_dim = width_,
                  .positions = {row_positions, rows.n},
                  .freq = rope_freq_});
  if (s.fake_quant && rounding_ == RowRounding::latent) {
    fake_quant_e4m3(rows.columns(0, width_ - 2 * rope_freq_.size()), 64);
  } else if (s.fake_quant) {
    hadamard(rows);
    fake_quant_e2m1(rows);
  }

  std::size_t row = 0;
  for (const SequenceSpan& sequence : s.sequences) {
    CompressorState& state = state_of(*sequence.state);
    while (state.rows.size() < (sequence.start + sequence.n_tokens) / ratio_)
      state.rows.append(rows[row++]);
    state.values.write(sequence.start, values.slice(sequence.begin, sequence.n_tokens));
    state.gates.write(sequence.start, gates.slice(sequence.begin, sequence.n_tokens));
  }
}

void CompressorLayer::add_position_bias(const Step& s, Rows<float> gates) const {
  for (std::size_t t = 0; t < gates.n; ++t) {
    const float* bias = weights_.position_bias.data() +
                        static_cast<std::size_t>(s.positions[t]) % ratio_ * gates.width;
    for (std::size_t i = 0; i < gates.width; ++i) gates[t][i] += bias[i];
  }
}

std::size_t CompressorLayer::n_windows(const SequenceSpan& sequence) const {
  return (sequence.start + sequence.n_tokens) / ratio_ - sequence.start / ratio_;
}

void CompressorLayer::gather_slots(const SequenceSpan& sequence, const CompressorState& state,
                                   Rows<const float> values, Rows<const float> gates,
                                   const float** value_slots, const float** gate_slots) const {
  const PositionRows value_at = state.values.view(values[sequence.begin], sequence.start);
  const PositionRows gate_at = state.gates.view(gates[sequence.begin], sequence.start);
  const std::size_t first = sequence.start / ratio_;
  for (std::size_t w = first; w < first + n_windows(sequence); ++w) {
    for (std::size_t series = 0; series < series_;
         ++series) {  // csa: 0 = a-halves of window w-1, 1 = b-halves of w
      const std::size_t windows_back = series_ - 1 - series;
      for (std::size_t t = 0; t < ratio_; ++t) {
        const bool exists = w >= windows_back;  // the first window has no predecessor
        const std::size_t position = exists ? (w - windows_back) * ratio_ + t : 0;
        *value_slots++ = exists ? value_at[position] + series * width_ : nullptr;
        *gate_slots++ = exists ? gate_at[position] + series * width_ : nullptr;
      }
    }
  }
}

}  // namespace hadal
