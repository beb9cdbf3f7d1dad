// The loop between a model and a causal world: the model writes an act, the simulator answers,
// until the goal is reached or the budget is spent (world-model.md 4.1).
#pragma once

#include "agent/episode_start.h"
#include "agent/telling.h"
#include "engine/draft_counts.h"
#include "engine/model/model.h"
#include "tokenizer/tokenizer.h"

#include <functional>
#include <span>
#include <vector>

namespace hadal {

struct Episode {
  worlds::WorldKey key;
  std::vector<EpisodeStep> steps;
  int optimal = 0;  ///< length of a shortest plan from where the model took over
  bool solved = false;
  std::size_t n_prompt_tokens = 0;  ///< of all turns
  std::size_t n_generated_tokens = 0;
  DraftCounts drafts = {};  ///< of the MTP block
};

struct EpisodeOptions {
  worlds::WorldOptions world;
  EpisodeKind kind = EpisodeKind::plain;
  std::size_t max_act_tokens = 60;  ///< an act that is not closed by then counts as written
  std::size_t n_drafts = 0;         ///< MTP speculation; changes the speed, never the acts
  std::size_t batch = 64;  ///< episodes side by side: one that ends makes room for the next
  /// Called after each step of each episode (index into `worlds`; in order within an episode, not
  /// between them), for display and progress; may be empty.
  std::function<void(std::size_t episode, const EpisodeStep& step)> on_step;
  /// Called when an episode has ended; may be empty.
  std::function<void(std::size_t episode)> on_episode;
};

/// Plays greedily. An episode is fixed by its world and the model: batch, threads and drafts change
/// nothing. `tokenizer` knows the structure tokens of worlds/narrator.h (Errors: unsupported
/// otherwise). Each world has an episode_start() of options.kind. Engine thread only.
Result<std::vector<Episode>> play_episodes(Model& model, const Tokenizer& tokenizer,
                                           std::span<const worlds::World> worlds,
                                           const EpisodeOptions& options);

}  // namespace hadal
