// A small world written by hand, so that tests know every answer.
#pragma once

#include "worlds/options.h"
#include "worlds/world.h"

namespace hadal::worlds {

/// Worlds of every kind, harder than the defaults: two goals, shuffled mechanisms, more
/// distractors.
inline WorldOptions varied_worlds() {
  WorldOptions options;
  options.branch_share = 0.35;
  options.second_goal_share = 0.2;
  options.distractor_ratio = 1.0;
  options.min_distractors = 3;
  options.topological_share = 0.3;
  return options;
}

/// lamp (dark), pan (cold), jar (closed), cup (clean).
///   0 action light lamp: needs nothing; makes lamp lit and cup dirty
///   1 action heat pan:   needs lamp lit and cup clean; makes pan hot        (so light destroys
///   what heat needs) 2 action wash cup:   needs lamp lit; makes cup clean 3 law:               pan
///   hot => jar open
/// Goal: jar open. Shortest plan: 0, 2, 1.
inline World hand_made_world() {
  constexpr std::uint8_t lit = 0, open = 1, hot = 3, clean = 4;
  World world;
  world.domain = &domains()[0];
  world.entities = {{"red lamp", 0}, {"blue pan", 2}, {"old jar", 1}, {"big cup", 2}};
  world.variables = {{0, lit}, {1, hot}, {2, open}, {3, clean}};
  world.mechanisms = {
      {.kind = MechanismKind::action, .relevant = true, .pre = {}, .eff = {{0, true}, {3, false}}},
      {.kind = MechanismKind::action,
       .relevant = true,
       .pre = {{0, true}, {3, true}},
       .eff = {{1, true}}},
      {.kind = MechanismKind::action, .relevant = true, .pre = {{0, true}}, .eff = {{3, true}}},
      {.kind = MechanismKind::law, .relevant = true, .pre = {{1, true}}, .eff = {{2, true}}},
  };
  world.initial = 0b1000;  // the cup is clean
  world.facts = {{3, true}};
  world.goal = {{2, true}};
  world.key.depth = 3;
  return world;
}

}  // namespace hadal::worlds
