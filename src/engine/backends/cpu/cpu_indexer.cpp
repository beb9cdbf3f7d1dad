#include "engine/backends/cpu/cpu_indexer.h"

#include "base/checked_math.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace hadal {
namespace {

constexpr std::size_t kScoredRows = 256;
constexpr std::size_t kMaxScores = 4 * 1024 * 1024;  // floats; long contexts go in token batches

}  // namespace

void CpuIndexer::operator()(const IndexerSelectArgs& args) {
  const std::size_t n_rows = std::max<std::size_t>(args.keys.n, 1);
  const std::size_t batch = std::max<std::size_t>(kMaxScores / n_rows, 1);
  const std::size_t n_chunks = ceil_div(n_rows, kScoredRows);
  for (std::size_t first = 0; first < args.q.n; first += batch) {
    const std::size_t n = std::min(batch, args.q.n - first);
    float* scores = reserve(scores_, n * n_rows);
    const std::size_t work = n * args.keys.n * args.keys.width * args.n_heads;
    runner_.run(n * n_chunks, work, [&](std::size_t task) {
      const std::size_t token = first + task / n_chunks;
      const std::size_t begin = task % n_chunks * kScoredRows;
      const std::size_t n_visible = args.n_visible[token];
      if (n_visible <= args.top_k || begin >= n_visible) return;  // nothing to choose
      score(args, token, begin, std::min(begin + kScoredRows, n_visible),
            scores + (token - first) * n_rows + begin);
    });
    runner_.run(n, 4 * n * n_rows, [&](std::size_t task) {
      const std::size_t token = first + task;
      const std::size_t n_visible = args.n_visible[token];
      args.n_selected[token] = std::min(args.top_k, n_visible);
      select_best_rows(scores + task * n_rows, n_visible, args.n_selected[token],
                       args.selected[token]);
    });
  }
}

std::size_t CpuIndexer::score_floats(const WorkShape& shape) const {
  const std::size_t n_rows = shape.n_index_rows;
  if (n_rows == 0) return 0;
  return std::max(n_rows, std::min(kMaxScores, shape.n_tokens * n_rows));
}

std::size_t CpuIndexer::task_floats(const WorkShape& shape) const {
  const std::size_t for_scores =
      kernels_.scratch_floats(shape.index_n_heads, shape.index_head_dim, kScoredRows);
  return std::max(for_scores, shape.n_index_rows);  // select_best_rows sorts a copy
}

std::size_t CpuIndexer::task_pointers(const WorkShape& shape) const {
  return kScoredRows + shape.index_n_heads;
}

void CpuIndexer::score(const IndexerSelectArgs& args, std::size_t token, std::size_t row_begin,
                       std::size_t row_end, float* scores) const {
  const std::size_t n = row_end - row_begin;
  const std::size_t head_dim = args.keys.width;
  TaskScratch& scratch = task_scratch();
  const float** keys = reserve(scratch.pointers, n + args.n_heads);
  const float** q = keys + n;
  for (std::size_t i = 0; i < n; ++i) keys[i] = args.keys[row_begin + i];
  for (std::size_t h = 0; h < args.n_heads; ++h) q[h] = args.q[token] + h * head_dim;
  kernels_.scores(
      {.keys = keys,
       .n_keys = n,
       .n_heads = args.n_heads,
       .head_dim = head_dim,
       .q = q,
       .weights = args.head_weights[token],
       .scores = scores,
       .scratch = reserve(scratch.floats, kernels_.scratch_floats(args.n_heads, head_dim, n))});
}

void select_best_rows(const float* scores, std::size_t n_visible, std::size_t n_selected,
                      std::int32_t* selected) {
  if (n_selected == n_visible || n_selected == 0) {
    std::iota(selected, selected + n_selected, 0);
    return;
  }
  const auto key = [&](std::size_t row) {
    return std::isnan(scores[row]) ? -std::numeric_limits<float>::infinity() : scores[row];
  };
  float* sorted = reserve(task_scratch().floats, n_visible);
  for (std::size_t row = 0; row < n_visible; ++row) sorted[row] = key(row);
  std::nth_element(sorted, sorted + n_selected - 1, sorted + n_visible, std::greater<>());
  const float threshold = sorted[n_selected - 1];  // the lowest score that is chosen
  const auto n_above = static_cast<std::size_t>(
      std::count_if(sorted, sorted + n_selected, [&](float score) { return score > threshold; }));

  std::size_t n_ties = n_selected - n_above;
  for (std::size_t row = 0; row < n_visible; ++row) {
    const bool above = key(row) > threshold;
    const bool tie = key(row) == threshold && n_ties > 0;
    if (tie) --n_ties;
    if (above || tie) *selected++ = static_cast<std::int32_t>(row);
  }
}

}  // namespace hadal
