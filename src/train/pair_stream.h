// What the counterfactual loss reads: sequences with a twin that differs from them by one
// intervention (worlds/counterfactual_pair.h), any index in any order.
#pragma once

#include "tokenizer/tokenizer.h"
#include "train/token_stream.h"
#include "worlds/counterfactual_pair.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace hadal::train {

/// The same event in two sequences that differ in an intervention.
struct EventPair {
  std::int64_t row, twin_row;  ///< where it ends: its <|/ev|>
  enum class Goal : std::uint8_t { together, apart } goal;

  bool operator==(const EventPair&) const = default;
};

/// Pairs the events of two texts, which are the same in the same order: those that do not descend
/// from the intervention shall agree; those whose body says something else shall not; others
/// (descendants that say the same) are left out. An event that one text lacks at its end, where it
/// was cut, is left out too. @param rows  where the events of each text end
std::vector<EventPair> align_events(std::span<const worlds::PairEvent> events,
                                    std::span<const std::int64_t> rows,
                                    std::span<const std::int64_t> twin_rows);

struct SamplePair {
  std::vector<std::int32_t> ids, twin_ids;
  std::vector<EventPair> events;  ///< rows: indices in ids and in twin_ids
};

class PairStream {
 public:
  virtual ~PairStream() = default;
  /// Pair `index`, of a world of depth 1..max_depth; nothing when that world has none. A pure
  /// function of its arguments; any thread.
  virtual std::optional<SamplePair> at(std::uint64_t index, int max_depth) const = 0;
};

/// Encoded as TextStream does. The tokenizer must outlive the stream.
class TextPairStream final : public PairStream {
 public:
  using Source =
      std::function<std::optional<worlds::CounterfactualPair>(std::uint64_t index, int max_depth)>;

  TextPairStream(const Tokenizer& tokenizer, Source source, std::size_t max_length);
  std::optional<SamplePair> at(std::uint64_t index, int max_depth) const override;

 private:
  std::vector<std::int32_t> encode(const std::vector<worlds::Piece>& pieces) const;
  std::vector<std::int64_t> closers(const std::vector<std::int32_t>& ids) const;

  const Tokenizer* tokenizer_;
  Source source_;
  std::size_t max_length_;
  std::int32_t end_;  ///< id of <|/ev|>; -1 when the vocabulary lacks it
};

/// Pairs that go through the model together.
struct PairBatch {
  MicroBatch text;                ///< sequence and twin in turn, both with the pair's index
  std::vector<EventPair> events;  ///< rows: of its [batch, sequence] tokens
};

/// Pairs [first, first + n_pairs), less those that do not exist, in batches of about
/// options.max_micro_tokens, at least one a worker.
std::vector<PairBatch> make_pair_batches(const PairStream& stream, std::uint64_t first,
                                         std::size_t n_pairs, int max_depth,
                                         const BatchOptions& options);

}  // namespace hadal::train
