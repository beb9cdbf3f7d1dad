#include "agent/baselines.h"

#include "worlds/generator.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using worlds::World;

BaselineResults baselines_of(const World& world) {
  const auto start = episode_start(world, EpisodeKind::plain);
  return play_baselines(world, {}, *start);
}

// lamp lit -> pan hot -> jar open by law. Goal: pan hot. "heat pan" is refused because the lamp is
// dark, then because the cup is dirty: the refusals tell the plan, at one step each.
World two_step_world(bool with_a_spare) {
  World world = worlds::hand_made_world();
  world.mechanisms[0].eff = {{0, true}};  // lighting makes nothing dirty
  world.goal = {{1, true}};
  world.key.depth = 2;
  if (with_a_spare)  // first in the text or not, it leads nowhere
    world.mechanisms.push_back(
        {.kind = worlds::MechanismKind::action, .pre = {}, .eff = {{3, false}}});
  return world;
}

TEST(Baselines, RefusalsSolveWhatTheirDetoursLeaveTimeFor) {
  // heat (refused), light, heat: 3 of 4 steps.
  EXPECT_TRUE(baselines_of(two_step_world(false)).refusals);
  // The goal "jar open" is reached by a law alone: no tool of that name, so the first step is lost,
  // and what remains are random calls; still deterministic.
  const World by_law = worlds::hand_made_world();
  EXPECT_EQ(baselines_of(by_law).refusals, baselines_of(by_law).refusals);
}

TEST(Baselines, GreedyDoesNotRepeatWhatHoldsAlready) {
  // light, then heat (light's effect holds): without that rule it would light the lamp for ever.
  EXPECT_TRUE(baselines_of(two_step_world(false)).greedy);
}

TEST(Baselines, SearchAlwaysArrives) {
  for (std::uint64_t index = 0; index < 20; ++index) {
    const World world = worlds::generate_world(
        {.split = worlds::Split::test, .depth = 1 + static_cast<int>(index % 6), .index = index},
        worlds::varied_worlds());
    for (const EpisodeKind kind : {EpisodeKind::plain, EpisodeKind::perturbed}) {
      const auto start = episode_start(world, kind);
      EXPECT_TRUE(!start || play_baselines(world, {}, *start).search) << index;
    }
  }
}

TEST(Baselines, RandomIsThePolicyOfPlay) {
  for (std::uint64_t index = 0; index < 30; ++index) {
    const World world = worlds::generate_world(
        {.split = worlds::Split::test, .depth = 2, .index = index}, worlds::varied_worlds());

    EXPECT_EQ(baselines_of(world).random, worlds::random_policy_succeeds(world, 0));
  }
}

TEST(Baselines, BlindPlayersFallWithDepth) {
  std::size_t solved[2] = {0, 0};
  for (std::uint64_t index = 0; index < 60; ++index) {
    for (const int deep : {0, 1}) {
      const World world = worlds::generate_world(
          {.split = worlds::Split::test, .depth = deep ? 6 : 1, .index = index},
          worlds::varied_worlds());
      const auto results = baselines_of(world);
      solved[deep] += results.refusals || results.random_calls ? 1 : 0;
    }
  }
  EXPECT_GT(solved[0], 2 * solved[1]) << solved[0] << " " << solved[1];
}

}  // namespace
}  // namespace hadal
