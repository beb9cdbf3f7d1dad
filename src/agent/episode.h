// The loop between a model and a causal world: the model writes an act, the simulator answers,
// until the goal is reached or the budget is spent (world-model.md 4.1).
#pragma once

#include "engine/model/model.h"
#include "tokenizer/tokenizer.h"
#include "worlds/narrator.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace hadal {

/// One act of the model and what came of it.
struct EpisodeStep {
  std::string written;               ///< what the model wrote after `<|act|><|eN|><|by|>`
  std::vector<std::string> because;  ///< the events that it named as causes, as text
  std::string call;  ///< "heat(item: red pan)"; empty when it wrote no complete call
  worlds::Outcome outcome;
};

struct Episode {
  worlds::WorldKey key;
  std::vector<EpisodeStep> steps;
  bool solved = false;
  std::size_t n_prompt_tokens = 0;  ///< of all turns
  std::size_t n_generated_tokens = 0;
  std::size_t n_drafted = 0;  ///< by the MTP block
  std::size_t n_accepted = 0;
};

struct EpisodeOptions {
  worlds::WorldOptions world;
  std::size_t max_act_tokens = 60;  ///< an act that is not closed by then counts as written
  std::size_t n_drafts = 0;         ///< MTP speculation; changes the speed, never the acts
  std::size_t batch = 64;           ///< episodes played side by side
  /// Called after each step of each episode (index into `worlds`), for display and progress; may be
  /// empty.
  std::function<void(std::size_t episode, const EpisodeStep& step)> on_step;
};

/// Plays greedily. An episode is fixed by its world and the model: batch, threads and drafts change
/// nothing. `tokenizer` knows the structure tokens of worlds/narrator.h (Errors: unsupported
/// otherwise). Engine thread only.
Result<std::vector<Episode>> play_episodes(Model& model, const Tokenizer& tokenizer,
                                           std::span<const worlds::World> worlds,
                                           const EpisodeOptions& options);

}  // namespace hadal
