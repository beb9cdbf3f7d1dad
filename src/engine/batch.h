// Sequences on their way together: requests join and leave between the passes of a model.
#pragma once

#include "engine/draft_counts.h"
#include "engine/model/model.h"
#include "engine/sampling/sampler.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace hadal {

enum class StopReason : std::uint8_t {
  stop_token,  ///< one of stop_tokens was chosen (it is the last of `tokens`)
  length,      ///< max_tokens reached
  cancelled,   ///< on_token returned false, or the request was removed
  no_token,    ///< `allowed` left no token to choose
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
  /// Which tokens may be chosen next, as bits (id % 64 of word id / 64); empty: all. Asked for each
  /// choice, after on_token has told the one before. May be empty.
  std::function<std::span<const std::uint64_t>()> allowed = {};
  /// How much of the answer was given before, in a batch that the request has left since: these
  /// last tokens of history and prompt count as answer for penalties.
  std::size_t n_answered = 0;
  /// State for that many tokens of the answer is taken at once, so that a step allocates nothing;
  /// what lies beyond them comes page by page.
  std::size_t n_reserved = 16 * 1024;
  /// Prompt tokens after which a pass must end, rising; `on_mark` then finds the state just there.
  std::vector<std::size_t> marks = {};
  std::function<void(std::size_t n_prompt_tokens)> on_mark = {};
  /// Called for each prompt token but the first, as if the model had chosen it. May be empty.
  std::function<void(const TokenChoice&)> on_prompt_token = {};
};

struct Generation {
  std::vector<std::int32_t> tokens;
  StopReason stop_reason = StopReason::length;
  /// The last chosen token is never in `state` yet: put it in front of the next prompt to continue.
  DraftCounts drafts = {};
};

/// The tokens of a request depend on the model, its prompt and its seed alone: not on its
/// neighbours, chunking, or speculation, whose drafts are kept only where the model itself chooses
/// the same token. Engine thread only.
class Batch {
 public:
  using Slot = std::size_t;

  /// `model` must outlive the batch.
  explicit Batch(Model& model);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  /// Takes a request in; its state must live, and be used by nobody else, until it is removed.
  /// Errors: invalid_argument (empty prompt, max_tokens 0, an id outside of the vocabulary, marks
  /// that do not rise, drafts without an MTP block).
  Result<Slot> add(GenerationRequest request);
  /// Ends a request wherever it is, and gives its slot to the next one.
  Generation remove(Slot slot);

  struct Limits {
    std::size_t max_tokens = 512;  ///< of the pass: decoding requests first, then prompts
    std::size_t max_prompt_tokens = static_cast<std::size_t>(-1);  ///< prompts alone
    /// Slots in the order in which their prompts are read; empty: as they are numbered. Prompts of
    /// other slots wait.
    std::span<const Slot> prompt_order = {};
  };
  struct Pass {
    std::size_t n_sequences = 0;
    std::size_t n_prompt_tokens = 0;
    std::size_t n_decoded = 0;  ///< tokens chosen by requests beyond their prompts
    double seconds = 0;         ///< drafting included
  };
  /// One pass over what waits. With n_sequences 0 there was nothing to do.
  Pass step(const Limits& limits);

  std::size_t n_slots() const;  ///< slots are below this number
  bool is_taken(Slot slot) const;
  /// The request is complete and waits to be removed.
  bool has_ended(Slot slot) const;
  /// Still reading its prompt; how many tokens of it have been read.
  bool in_prefill(Slot slot) const;
  std::size_t n_prompt_done(Slot slot) const;

 private:
  class Running;

  void pick_inputs(const Limits& limits);
  void pick(Running& running, std::size_t n);
  void take(const ForwardOutput& output);
  void record(double pass_seconds);
  void draft(std::span<const float> streams);
  void chain_drafts(std::vector<Running*> drafting, std::vector<MtpInput> inputs,
                    ForwardOutput output);

  Model& model_;
  std::vector<std::unique_ptr<Running>> running_;  ///< by slot; null: free
  std::vector<Running*> picked_;                   ///< of the running pass
  std::vector<ForwardInput> inputs_;
  ForwardOutput output_;         ///< keeps its memory
  double drafting_seconds_ = 0;  ///< of the drafts that the next pass verifies
};

}  // namespace hadal
