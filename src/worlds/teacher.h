// The episodes that training text is made of: shortest plans, with mistakes and the recovery from
// them.
#pragma once

#include "worlds/options.h"
#include "worlds/simulator.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace hadal::worlds {

/// What changes from outside, and what follows by itself.
struct OutsideChange {
  Literal literal;
  Outcome outcome;
};

struct TeacherStep {
  int mechanism;
  bool is_mistake;  ///< not the beginning of any shortest plan from there; the goal stays within
                    ///< reach
  Outcome outcome;
  std::vector<int> optimal;                  ///< mechanisms with which a shortest plan could begin
  std::optional<OutsideChange> change = {};  ///< before this step
};

/// A successful episode. Deterministic in world.key. Where several actions are best, one is drawn.
/// @param episode  number in its story: another draw
std::vector<TeacherStep> teacher_episode(const World& world, const WorldOptions& options,
                                         std::uint64_t episode = 0);

}  // namespace hadal::worlds
