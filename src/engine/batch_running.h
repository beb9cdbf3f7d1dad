// One request of a batch on its way through the passes; used by batch.cpp and batch_drafts.cpp.
#pragma once

#include "engine/batch.h"
#include "engine/sampling/draft_policy.h"

#include <algorithm>
#include <optional>

namespace hadal {

class Batch::Running {
 public:
  explicit Running(GenerationRequest r);

  bool in_prefill() const { return result.tokens.empty() && !done; }
  bool speculates() const {
    return request.n_drafts > 0 && !(request.drafts_must_pay && policy.gave_up());
  }
  /// Drafts worth making now: none beyond max_tokens, none that a roll-back could not undo.
  std::size_t n_drafts() const;

  /// Most prompt tokens for one pass: up to the next mark.
  std::size_t n_to_mark() const;
  LogitsFor logits_for(std::size_t n) const;

  /// Takes the outcome of the pass, whose logits for this request begin at `first_row`.
  void absorb(const ForwardOutput& output, std::size_t first_row);

  /// The token after each kept one: what the MTP block takes beside their streams.
  std::vector<std::int32_t> next_of_kept() const;

  GenerationRequest request;
  Generation result;
  /// Tokens to feed: what is left of the prompt, or the chosen but not yet processed token followed
  /// by drafts.
  std::vector<std::int32_t> next;
  bool done = false;
  DraftPolicy policy;
  std::size_t n_prompt_done = 0;

  // Of the running pass:
  std::vector<std::int32_t> fed;
  std::size_t start = 0;  ///< position of the first token fed
  std::size_t n_kept =
      0;  ///< how many of the fed tokens stay in the state: all but rejected drafts
  LogitsFor logits = LogitsFor::none;
  bool was_prefill = false;

 private:
  void choose(std::span<const float> logits, std::uint64_t position);
  void verify(const ForwardOutput& output, std::size_t first_row);
  void read_prompt(const ForwardOutput& output, std::size_t first_row);
  void finish(StopReason reason) {
    done = true;
    result.stop_reason = reason;
  }

  std::vector<std::int32_t> said_;      ///< what penalties take for the prompt
  std::vector<std::int32_t> answered_;  ///< what they take for the answer, when it began earlier
};

}  // namespace hadal
