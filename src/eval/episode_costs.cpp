#include "eval/episode_costs.h"

namespace hadal::eval {

std::uint64_t episode_flops(const ModelConfig& config, const EpisodeRow& row) {
  // The last token of a turn is written, then read as the first of the next one; that of the last
  // turn is not read at all. So each turn has one token too many in the two counts.
  const std::size_t n_counted = row.prompt_tokens + row.generated_tokens;
  const std::size_t n_tokens = n_counted > row.steps ? n_counted - row.steps : 0;
  std::uint64_t flops = 0;
  for (std::size_t position = 0; position < n_tokens; ++position)
    flops += token_flops(config, position, false).total();
  const std::uint64_t logits =  // the head, and the streams brought together before it
      token_flops(config, 0, true).total() - token_flops(config, 0, false).total();
  return flops + row.generated_tokens * logits;
}

double flops_per_solved(const ModelConfig& config, std::span<const EpisodeRow> rows) {
  std::size_t n_solved = 0;
  double sum = 0.0;
  for (const EpisodeRow& row : rows) {
    n_solved += row.solved ? 1 : 0;
    sum += static_cast<double>(episode_flops(config, row));
  }
  return n_solved == 0 ? 0.0 : sum / static_cast<double>(n_solved);
}

}  // namespace hadal::eval
