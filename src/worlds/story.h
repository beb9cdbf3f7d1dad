// What a training narrative tells: one world, and in it one or more goals after each other.
#pragma once

#include "worlds/options.h"
#include "worlds/teacher.h"
#include "worlds/world.h"

#include <vector>

namespace hadal::worlds {

struct Chapter {
  std::vector<Literal> goal;
  std::vector<TeacherStep> steps;
};

struct Story {
  World world;                    ///< Mechanism::relevant marks the ancestors of every goal told
  std::vector<Chapter> chapters;  ///< not empty; each begins where the one before has ended
};

/// Does something in it change from outside?
bool has_changes(const Story& story);

/// Deterministic in `key`. With max_episodes = 1 it is teacher_episode() and nothing else. A later
/// goal is a literal that is false by then and can be reached in at most key.depth actions; a story
/// ends early when there is none, or when the event ids would not suffice.
Story make_story(const WorldKey& key, const WorldOptions& options);

}  // namespace hadal::worlds
