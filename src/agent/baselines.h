// Players that are no models, under the same budget and on the same episodes as the model's: what
// its success is compared with (world-model.md 4.1). All deterministic; any thread.
#pragma once

#include "agent/episode_start.h"
#include "worlds/options.h"

namespace hadal {

/// Which of them reach the goal.
struct BaselineResults {
  bool random = false;  ///< uniformly random among the actions that can be executed
  bool greedy = false;  ///< the first mechanism of the text that can be executed and whose effects
                        ///< do not all hold already
  bool search = false;  ///< breadth-first: always, unless a world is broken

  // Players who know the words but never read a mechanism. The share that either of them solves is
  // what "chance" means for the probe with hidden mechanisms.
  bool random_calls = false;  ///< uniformly random among all calls of the tools that the system
                              ///< line names on the items that facts and goal name
  /// Calls the tool that makes the first unmet goal true; when it is refused for an unmet literal,
  /// makes that true first. The refusals tell the mechanisms, one step each. Where there is no such
  /// call, or going round in a circle: a random call.
  bool refusals = false;
};

BaselineResults play_baselines(const worlds::World& world, const worlds::WorldOptions& options,
                               const EpisodeStart& start);

}  // namespace hadal
