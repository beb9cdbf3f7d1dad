// Token generation for one or many sequences at once: batched prefill, decode, greedy or sampled,
// with MTP speculation.
#pragma once

#include "engine/batch.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace hadal {

struct GenerateOptions {
  std::size_t max_batch_tokens =
      512;  ///< most tokens in one forward pass; longer prompts are fed in chunks
  /// Called after each pass with prompt tokens done and in all (for progress); may be empty.
  std::function<void(std::size_t done, std::size_t total)> on_prefill;
  /// Called as soon as request `slot` has ended; may be empty. A request that it returns takes the
  /// slot at once, so that a stream of conversations keeps the batch full. It may continue the same
  /// state. The state of the ended request must live until the call.
  std::function<std::optional<GenerationRequest>(std::size_t slot, Generation&& ended)> on_end{};
};

/// Runs all requests to their end in one Batch. Errors: those of Batch::add. Engine thread only.
/// @return one generation per request; empty ones where on_end has taken them
Result<std::vector<Generation>> generate(Model& model, std::span<const GenerationRequest> requests,
                                         const GenerateOptions& options = {});

}  // namespace hadal
