#include "train/token_stream.h"

#include <algorithm>
#include <string>
#include <utility>

namespace hadal::train {

TextStream::TextStream(const Tokenizer& tokenizer, Source source, std::size_t max_length,
                       float decision_weight)
    : tokenizer_(&tokenizer),
      source_(std::move(source)),
      max_length_(max_length),
      decision_weight_(decision_weight),
      act_(tokenizer.find_special("<|act|>").value_or(-1)),
      by_(tokenizer.find_special("<|by|>").value_or(-1)),
      colon_(tokenizer.find_special("<|:|>").value_or(-1)),
      end_(tokenizer.find_special("<|/ev|>").value_or(-1)) {
  for (int id = 0; id < worlds::kEventIds; ++id)
    if (const auto token = tokenizer.find_special("<|e" + std::to_string(id) + "|>"))
      event_ids_.push_back(*token);
  if (event_ids_.size() < static_cast<std::size_t>(worlds::kEventIds)) event_ids_.clear();
}

Sample TextStream::at(std::uint64_t index, int max_depth) const {
  Sample sample;
  OptimalTokens optimal;
  for (const worlds::Piece& piece : source_(index, max_depth)) {
    if (!event_ids_.empty())
      for (const int id : piece.optimal_ids)
        optimal[sample.ids.size()].push_back(event_ids_[static_cast<std::size_t>(id)]);
    const auto ids = tokenizer_->encode(piece.text, SpecialTokens::parse);
    sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
    sample.weights.resize(sample.ids.size(), piece.weight);
  }
  if (sample.ids.size() > max_length_) {
    sample.ids.resize(max_length_);
    sample.weights.resize(max_length_);
  }
  mark_decisions(sample, optimal);
  mark_bodies(sample);
  return sample;
}

void TextStream::mark_bodies(Sample& sample) const {
  bool in_body = false;
  for (std::size_t i = 0; i < sample.ids.size(); ++i) {
    if (sample.ids[i] == end_) in_body = false;
    if (in_body) sample.body_tokens.push_back(i);
    if (sample.ids[i] == colon_) in_body = true;
  }
}

/// After `<|act|> <|eN|> <|by|>` stands the id of the mechanism that the teacher chose.
void TextStream::mark_decisions(Sample& sample, const OptimalTokens& optimal) const {
  const auto& ids = sample.ids;
  for (std::size_t i = 3; i < ids.size(); ++i) {
    if (ids[i - 3] != act_ || ids[i - 1] != by_ || sample.weights[i] <= 0.0f) continue;
    sample.decisions.push_back(i);
    sample.weights[i] *= decision_weight_;
    const auto as_good = optimal.find(i - 3);
    sample.optimal.push_back(as_good == optimal.end() ? std::vector<std::int32_t>{}
                                                      : as_good->second);
    for (std::size_t j = i; j < ids.size(); ++j) {
      sample.act_tokens.push_back(j);
      if (ids[j] == end_) break;
    }
  }
}

MicroBatch pad_together(std::span<const IndexedSample> samples, std::int32_t pad) {
  MicroBatch part;
  part.batch = samples.size();
  for (const IndexedSample& s : samples)
    part.sequence = std::max(part.sequence, s.sample.ids.size());
  // The last token is a target only.
  part.sequence = std::max<std::size_t>(part.sequence, 2) - 1;
  const std::size_t width = part.sequence + 2;
  part.ids.assign(part.batch * width, pad);
  part.weights.assign(part.batch * width, 0.0f);
  part.marks.assign(part.batch * width, 0);
  for (std::size_t i = 0; i < part.batch; ++i) {
    const Sample& sample = samples[i].sample;
    part.indices.push_back(samples[i].index);
    std::copy(sample.ids.begin(), sample.ids.end(),
              part.ids.begin() + static_cast<std::ptrdiff_t>(i * width));
    std::copy(sample.weights.begin(), sample.weights.end(),
              part.weights.begin() + static_cast<std::ptrdiff_t>(i * width));
    for (std::size_t j : sample.act_tokens) part.marks[i * width + j] |= 1;
    for (std::size_t j : sample.body_tokens) part.marks[i * width + j] |= 4;
    for (std::size_t j = 1; j < sample.ids.size(); ++j) part.marks[i * width + j] |= 8;
    for (std::size_t d = 0; d < sample.decisions.size(); ++d) {
      const std::size_t target = i * width + sample.decisions[d];
      part.marks[target] |= 2;
      if (d < sample.optimal.size()) part.optimal[target] = sample.optimal[d];
    }
    part.n_tokens += sample.ids.size();
  }
  return part;
}

bool MicroBatch::is_right(std::size_t target, std::int32_t choice) const {
  if (choice == ids[target]) return true;
  const auto found = optimal.find(target);
  return found != optimal.end() &&
         std::find(found->second.begin(), found->second.end(), choice) != found->second.end();
}

StepBatch make_step_batch(const TokenStream& stream, std::uint64_t first, int max_depth,
                          const BatchOptions& options) {
  std::vector<IndexedSample> samples;
  std::size_t total = 0;
  for (std::size_t i = 0; i < options.sequences_per_step; ++i) {
    samples.push_back({first + i, stream.at(first + i, max_depth)});
    total += samples.back().sample.ids.size();
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const IndexedSample& a, const IndexedSample& b) {
                     return a.sample.ids.size() > b.sample.ids.size();
                   });
  // A whole number of parts per worker, of about equal size, so that the workers end together.
  const std::size_t round = options.workers * options.max_micro_tokens;
  const std::size_t n_parts = options.workers * ((total + round - 1) / round);

  StepBatch step;
  std::size_t taken = 0;
  for (std::size_t begin = 0; begin < samples.size();) {
    const std::size_t goal = total * (step.parts.size() + 1) / n_parts;
    std::size_t end = begin;
    do taken += samples[end++].sample.ids.size();
    while (end < samples.size() && taken + samples[end].sample.ids.size() / 2 < goal);
    step.parts.push_back(
        pad_together(std::span(samples).subspan(begin, end - begin), options.pad_token));
    begin = end;
  }
  for (const MicroBatch& part : step.parts) {
    step.n_tokens += part.n_tokens;
    for (std::size_t i = 0; i < part.batch; ++i)  // the first token of a sequence is never a target
      for (std::size_t j = 1; j < part.sequence + 2; ++j)
        step.total_weight += part.weights[i * (part.sequence + 2) + j];
  }
  return step;
}

}  // namespace hadal::train
