// Token generation for one or many sequences at once: batched prefill, decode, greedy or sampled,
// with MTP speculation.
#pragma once

#include "engine/model/model.h"
#include "engine/sampling/sampler.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace hadal {

enum class StopReason : std::uint8_t {
  stop_token,  ///< one of stop_tokens was chosen (it is the last of `tokens`)
  length,      ///< max_tokens reached
  cancelled,   ///< on_token returned false
};

struct GenerationRequest {
  SequenceState* state = nullptr;    ///< continued; owned by the caller
  std::vector<std::int32_t> prompt;  ///< not yet in `state`; not empty, ids in the vocabulary
  std::vector<std::int32_t>
      history;  ///< what `state` already holds, for penalties; may stay empty without penalties
  SamplingOptions sampling;
  std::size_t max_tokens = 1;
  std::vector<std::int32_t> stop_tokens;
  std::size_t n_drafts = 0;      ///< tokens drafted per step by the MTP block; 0: no speculation
  bool drafts_must_pay = false;  ///< give drafts up when they do not make this answer faster
  /// Filled, when given, with what the last prompt token attended to: ForwardInput::attended.
  std::vector<float>* attended = nullptr;
  /// Called for every chosen token, in order; false ends the generation after this token.
  std::function<bool(const TokenChoice&)> on_token;
};

struct Generation {
  std::vector<std::int32_t> tokens;
  StopReason stop_reason = StopReason::length;
  /// The last chosen token is never in `state` yet: put it in front of the next prompt to continue.
  std::size_t n_drafted = 0;
  std::size_t n_accepted = 0;
};

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

/// Runs all requests to their end, batched. The tokens of a request depend on the model, its prompt
/// and its seed alone: not on its neighbours, chunking, or speculation, whose drafts are kept only
/// where the model itself chooses the same token. Errors: invalid_argument (empty prompt, an id
/// outside of the vocabulary, drafts without an MTP block). Engine thread only.
/// @return one generation per request; empty ones where on_end has taken them
Result<std::vector<Generation>> generate(Model& model, std::span<GenerationRequest> requests,
                                         const GenerateOptions& options = {});

}  // namespace hadal
