// The lightning indexer on the CPU: scores in parallel over rows, then the best rows per query.
#pragma once

#include "engine/backends/backend.h"
#include "engine/backends/cpu/task_runner.h"
#include "engine/kernels/cpu_kernels.h"
#include "engine/kernels/indexer/indexer.h"

#include <vector>

namespace hadal {

class CpuIndexer {
 public:
  CpuIndexer(const IndexerKernels& kernels, TaskRunner& runner)
      : kernels_(kernels), runner_(runner) {}

  void operator()(const IndexerSelectArgs& args);

  /// What a task takes from TaskScratch at most.
  std::size_t task_floats(const WorkShape& shape) const;
  std::size_t task_pointers(const WorkShape& shape) const;
  /// Scores that are held at one time.
  std::size_t score_floats(const WorkShape& shape) const;
  /// Room for the scores of one query.
  void reserve_scores(std::size_t n_rows) { reserve(scores_, n_rows); }

 private:
  void score(const IndexerSelectArgs& args, std::size_t token, std::size_t row_begin,
             std::size_t row_end, float* scores) const;

  const IndexerKernels& kernels_;
  TaskRunner& runner_;
  std::vector<float> scores_;  ///< [tokens of a batch, keys.n]
};

/// The n_selected best of scores [0, n_visible) into `selected`, ascending: higher scores first, of
/// equal ones the lower row; NaN counts as -infinity. n_selected <= n_visible.
void select_best_rows(const float* scores, std::size_t n_visible, std::size_t n_selected,
                      std::int32_t* selected);

}  // namespace hadal
