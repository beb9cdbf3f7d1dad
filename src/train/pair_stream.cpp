#include "train/pair_stream.h"

#include <algorithm>
#include <utility>

namespace hadal::train {

std::vector<EventPair> align_events(std::span<const worlds::PairEvent> events,
                                    std::span<const std::int64_t> rows,
                                    std::span<const std::int64_t> twin_rows) {
  std::vector<EventPair> pairs;
  const std::size_t n = std::min({events.size(), rows.size(), twin_rows.size()});
  for (std::size_t e = 0; e < n; ++e) {
    if (events[e].descendant && !events[e].flips) continue;
    pairs.push_back({rows[e], twin_rows[e],
                     events[e].flips ? EventPair::Goal::apart : EventPair::Goal::together});
  }
  return pairs;
}

TextPairStream::TextPairStream(const Tokenizer& tokenizer, Source source, std::size_t max_length)
    : tokenizer_(&tokenizer),
      source_(std::move(source)),
      max_length_(max_length),
      end_(tokenizer.find_special("<|/ev|>").value_or(-1)) {}

std::vector<std::int32_t> TextPairStream::encode(const std::vector<worlds::Piece>& pieces) const {
  std::vector<std::int32_t> ids;
  for (const worlds::Piece& piece : pieces) {
    const auto more = tokenizer_->encode(piece.text, SpecialTokens::parse);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  if (ids.size() > max_length_) ids.resize(max_length_);
  return ids;
}

std::vector<std::int64_t> TextPairStream::closers(const std::vector<std::int32_t>& ids) const {
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] == end_) rows.push_back(static_cast<std::int64_t>(i));
  return rows;
}

std::optional<SamplePair> TextPairStream::at(std::uint64_t index, int max_depth) const {
  const auto told = source_(index, max_depth);
  if (!told) return std::nullopt;
  SamplePair pair{encode(told->actual), encode(told->altered), {}};
  pair.events = align_events(told->events, closers(pair.ids), closers(pair.twin_ids));
  return pair;
}

namespace {

struct IndexedPair {
  std::uint64_t index;
  SamplePair pair;
  std::size_t n_tokens() const { return pair.ids.size() + pair.twin_ids.size(); }
};

IndexedSample without_loss(std::uint64_t index, const std::vector<std::int32_t>& ids) {
  IndexedSample text{index, {}};
  text.sample.ids = ids;
  text.sample.weights.assign(ids.size(), 0.0f);
  return text;
}

PairBatch pad_together(std::span<const IndexedPair> pairs, std::int32_t pad) {
  std::vector<IndexedSample> texts;
  for (const auto& [index, pair] : pairs) {
    texts.push_back(without_loss(index, pair.ids));
    texts.push_back(without_loss(index, pair.twin_ids));
  }
  PairBatch batch{pad_together(texts, pad), {}};
  const auto width = static_cast<std::int64_t>(batch.text.sequence);
  std::int64_t first_row = 0;
  for (const auto& [index, pair] : pairs) {
    for (const EventPair& e : pair.events)
      if (std::max(e.row, e.twin_row) < width)  // the last token is no input
        batch.events.push_back({first_row + e.row, first_row + width + e.twin_row, e.goal});
    first_row += 2 * width;
  }
  return batch;
}

}  // namespace

std::vector<PairBatch> make_pair_batches(const PairStream& stream, std::uint64_t first,
                                         std::size_t n_pairs, int max_depth,
                                         const BatchOptions& options) {
  std::vector<IndexedPair> pairs;
  std::size_t total = 0;
  for (std::uint64_t index = first; index < first + n_pairs; ++index) {
    auto pair = stream.at(index, max_depth);
    if (!pair || pair->events.empty()) continue;
    pairs.push_back({index, std::move(*pair)});
    total += pairs.back().n_tokens();
  }
  const std::size_t round = options.workers * options.max_micro_tokens;
  const std::size_t n_parts = options.workers * ((total + round - 1) / round);
  std::vector<PairBatch> batches;
  std::size_t taken = 0;
  for (std::size_t begin = 0; begin < pairs.size();) {
    const std::size_t goal = total * (batches.size() + 1) / n_parts;
    std::size_t end = begin;
    do taken += pairs[end++].n_tokens();
    while (end < pairs.size() && taken + pairs[end].n_tokens() / 2 < goal);
    batches.push_back(
        pad_together(std::span(pairs).subspan(begin, end - begin), options.pad_token));
    begin = end;
  }
  return batches;
}

}  // namespace hadal::train
