// Planning in causal worlds (world-model.md 4.1): episodes of one kind and depth, the model's and
// the baselines'.
#pragma once

#include "eval/episode_table.h"

#include <functional>

namespace hadal::eval {

struct PlanningOptions {
  worlds::WorldOptions world{};
  EpisodeKind kind = EpisodeKind::plain;
  std::size_t batch = 64;
  std::size_t n_drafts = 0;
  /// Called after each step of the model with the episodes ended so far, for progress; may be
  /// empty.
  std::function<void(std::size_t n_ended, std::size_t n_episodes)> on_progress{};
};

/// Plays the worlds of these keys, in their order; worlds that have no start of this kind are left
/// out. A row depends on its key, the options but batch and n_drafts, and the model; on no other
/// row. Errors: unsupported (the tokenizer lacks structure tokens). Engine thread only.
Result<std::vector<EpisodeRow>> play_worlds(Model& model, const Tokenizer& tokenizer,
                                            std::span<const worlds::WorldKey> keys,
                                            const PlanningOptions& options);

}  // namespace hadal::eval
