// Runs a model over text to see which input columns of its weights matter.
#pragma once

#include "engine/model/importance_collector.h"
#include "engine/model/model.h"

#include <functional>
#include <span>
#include <vector>

namespace hadal {

struct MeasureImportanceOptions {
  BackendOptions backend = {};
  ModelOptions model = {};
  bool with_head = false;  ///< measure the language-model head too (llama.cpp: --process-output)
  /// Called before each chunk; may be empty.
  std::function<void(std::size_t chunk)> on_chunk = {};
};

/// Cuts `tokens` into sequences of at most `chunk` >= 2 tokens, each behind a `bos` of its own.
std::vector<std::vector<std::int32_t>> chunks_of(std::span<const std::int32_t> tokens,
                                                 std::int32_t bos, std::size_t chunk);

/// Feeds each chunk to the model as a sequence of its own, in one pass. The MTP block is not run.
/// Errors: invalid_argument (no chunk, or one that is empty, longer than the model's context or
/// holds an id outside of its vocabulary), those of make_backend and Model::create.
Result<std::vector<WeightImportance>> measure_importance(
    const Checkpoint& checkpoint, std::span<const std::vector<std::int32_t>> chunks,
    const MeasureImportanceOptions& options);

}  // namespace hadal
