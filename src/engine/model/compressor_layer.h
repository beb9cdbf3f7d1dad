// Token-level compression of the past (deepseek-v4.md section 4): every `ratio` tokens become one
// row.
#pragma once

#include "engine/model/step.h"
#include "engine/model/weights.h"

#include <functional>
#include <memory>

namespace hadal {

/// What happens to a finished row in QAT simulation (3.9).
enum class RowRounding : std::uint8_t {
  latent /* Q8 on the channels without rope */,
  index /* Hadamard, then Q4 */
};

/// hca pools `ratio` tokens of its own window; csa pools 2 x ratio slots: the previous window
/// through the a-halves of K and G, its own through the b-halves.
class CompressorLayer {
 public:
  /// `width`: e of section 4 (head_dim for attention rows, index_head_dim for indexer rows).
  /// `weights` and `rope_freq` must outlive.
  CompressorLayer(const CompressorWeights& weights, AttentionType type, std::size_t ratio,
                  std::size_t width, std::span<const float> rope_freq, RowRounding rounding);

  /// @param pages  of rows of this width
  CompressorState make_state(std::shared_ptr<PagePool> pages) const;

  /// Projects the step's tokens, emits a row for every window that they complete, and keeps what
  /// later windows need.
  /// @param state_of  the state of this compressor inside a sequence
  void forward(Step& s, Rows<const float> x,
               const std::function<CompressorState&(SequenceState&)>& state_of) const;

 private:
  void add_position_bias(const Step& s, Rows<float> gates) const;
  /// Windows that `sequence` completes in this step.
  std::size_t n_windows(const SequenceSpan& sequence) const;
  void gather_slots(const SequenceSpan& sequence, const CompressorState& state,
                    Rows<const float> values, Rows<const float> gates, const float** value_slots,
                    const float** gate_slots) const;

  const CompressorWeights& weights_;
  std::size_t series_;  ///< 2 (csa) or 1 (hca)
  std::size_t ratio_;
  std::size_t width_;
  std::span<const float> rope_freq_;
  RowRounding rounding_;
};

}  // namespace hadal
