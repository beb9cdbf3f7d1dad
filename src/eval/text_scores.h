// How well a model predicts held-out narratives (world-model.md 4.2): perplexity, and the choice of
// the next action when the text so far is the teacher's.
#pragma once

#include "engine/model/model.h"
#include "tokenizer/tokenizer.h"
#include "worlds/options.h"
#include "worlds/world.h"

#include <functional>
#include <span>

namespace hadal::eval {

struct TextScores {
  std::size_t n_narratives = 0;
  std::size_t n_tokens = 0;       ///< predicted: all but the first of each narrative
  double nll = 0.0;               ///< their summed negative log-likelihood, in nats
  std::size_t n_body_tokens = 0;  ///< of them those between `<|:|>` and `<|/ev|>`
  double body_nll = 0.0;
  std::size_t n_decisions = 0;  ///< acts of the teacher, mistakes included
  std::size_t n_optimal = 0;    ///< of them, where the most probable token names an optimal action
  /// Share of decisions at which one of the actions that can be executed, drawn uniformly, would be
  /// optimal: what guessing gives; summed over decisions.
  double guess = 0.0;

  double perplexity() const;       ///< exp of the mean; over all predicted tokens
  double body_perplexity() const;  ///< over body tokens
  double next_action_accuracy() const;
  double guess_accuracy() const;
};

/// Reads the narratives of these keys as the trainer does: prompt, then the teacher's episode
/// (worlds/teacher.h) and the end token. A decision is the token behind `<|act|><|eN|><|by|>`,
/// which names the mechanism to use; any action with which a shortest plan can go on counts as
/// right. Sums in key order, so that the result is independent of batching. Errors: unsupported
/// (the tokenizer lacks structure tokens). Engine thread only.
/// @param on_progress  narratives done; may be empty
Result<TextScores> score_text(Model& model, const Tokenizer& tokenizer,
                              std::span<const worlds::WorldKey> keys,
                              const worlds::WorldOptions& options,
                              const std::function<void(std::size_t n_done)>& on_progress);

}  // namespace hadal::eval
