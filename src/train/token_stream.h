// What the trainer reads: sequences of token ids with a loss weight each, any index in any order.
#pragma once

#include "tokenizer/tokenizer.h"
#include "worlds/narrator.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace hadal::train {

struct Sample {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;  ///< weights[i]: of predicting ids[i]; same length as ids
  std::vector<std::size_t>
      decisions;  ///< i where ids[i] names the mechanism of an action that is to be learnt
  std::vector<std::vector<std::int32_t>> optimal;  ///< for each decision, the tokens that are as
                                                   ///< good as ids[i]; empty: none known
  std::vector<std::size_t> act_tokens;   ///< i inside such an action (cause list, call, closer)
  std::vector<std::size_t> body_tokens;  ///< i between <|:|> and <|/ev|>
};

class TokenStream {
 public:
  virtual ~TokenStream() = default;
  /// Sequence `index`, for worlds of depth 1..max_depth (curriculum). A pure function of its
  /// arguments; any thread.
  virtual Sample at(std::uint64_t index, int max_depth) const = 0;
};

/// Text in pieces of equal weight (worlds/narrator.h), encoded piece by piece with special tokens
/// parsed. Sequences longer than `max_length` are cut; decisions weigh `decision_weight` times what
/// their piece does. The tokenizer must outlive the stream.
class TextStream final : public TokenStream {
 public:
  using Source = std::function<std::vector<worlds::Piece>(std::uint64_t index, int max_depth)>;

  TextStream(const Tokenizer& tokenizer, Source source, std::size_t max_length,
             float decision_weight = 1.0f);
  Sample at(std::uint64_t index, int max_depth) const override;

 private:
  /// Tokens of the optimal ids of acts, by the place of their opener.
  using OptimalTokens = std::map<std::size_t, std::vector<std::int32_t>>;
  void mark_decisions(Sample& sample, const OptimalTokens& optimal) const;
  void mark_bodies(Sample& sample) const;

  const Tokenizer* tokenizer_;
  Source source_;
  std::size_t max_length_;
  float decision_weight_;
  std::vector<std::int32_t> event_ids_;  ///< of <|e0|>, <|e1|>, ..; empty when there are none
  std::int32_t act_, by_, colon_,
      end_;  ///< ids of <|act|>, <|by|>, <|:|>, <|/ev|>; -1: the vocabulary lacks them
};

/// Sequences of similar length, padded on the right to one length.
struct MicroBatch {
  std::size_t batch = 0, sequence = 0;
  std::vector<std::int32_t>
      ids;  ///< [batch, sequence + 2]: two more, for the targets of the MTP block
  std::vector<float> weights;       ///< [batch, sequence + 2]; 0 on padding
  std::vector<std::uint8_t> marks;  ///< [batch, sequence + 2]: bit 0 act token, bit 1 decision,
                                    ///< bit 2 body, bit 3 any target (no padding, not the first)
  std::map<std::size_t, std::vector<std::int32_t>> optimal;  ///< by index in ids: Sample::optimal
  std::vector<std::uint64_t> indices;  ///< [batch]: of each sequence in the stream
  std::size_t n_tokens = 0;            ///< without padding

  /// Whether `choice` in place of ids[target], a decision, is an action that a shortest plan can
  /// begin with.
  bool is_right(std::size_t target, std::int32_t choice) const;
};

/// A sequence and where it stands in its stream.
struct IndexedSample {
  std::uint64_t index;
  Sample sample;
};

/// All of `samples`, which are not empty, as one micro-batch.
MicroBatch pad_together(std::span<const IndexedSample> samples, std::int32_t pad);

/// All micro-batches of one optimiser step.
struct StepBatch {
  std::vector<MicroBatch> parts;
  double total_weight = 0.0;  ///< of all targets: the loss is a weighted mean over the step
  std::size_t n_tokens = 0;
};

struct BatchOptions {
  std::size_t sequences_per_step = 32;
  std::size_t max_micro_tokens = 4096;  ///< about the largest number of tokens of one micro-batch
  std::size_t workers = 1;              ///< the number of micro-batches is about a multiple of it
  std::int32_t pad_token = 2;
};

/// Reads samples [first, first + sequences_per_step), sorts them by length and cuts them into
/// micro-batches.
StepBatch make_step_batch(const TokenStream& stream, std::uint64_t first, int max_depth,
                          const BatchOptions& options);

}  // namespace hadal::train
