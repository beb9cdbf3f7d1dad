#include "agent/episode_start.h"

#include "worlds/generator.h"
#include "worlds/plan.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using worlds::World;

World world_of(int depth, std::uint64_t index) {
  return worlds::generate_world(
      {.split = worlds::Split::test, .domain = 0, .depth = depth, .seed = 5, .index = index},
      worlds::varied_worlds());
}

TEST(EpisodeStart, ChangesTheProblemAndLeavesItSolvable) {
  std::size_t n_changed = 0;
  for (std::uint64_t index = 0; index < 40; ++index) {
    const int depth = 2 + static_cast<int>(index % 5);
    const World world = world_of(depth, index);
    const auto start = episode_start(world, EpisodeKind::perturbed);
    if (!start) continue;
    ++n_changed;
    worlds::Simulator untouched(world);
    for (const int action : start->played) ASSERT_TRUE(untouched.apply(action).valid);

    EXPECT_EQ(start->played.size(), static_cast<std::size_t>(depth / 2));
    EXPECT_FALSE(worlds::holds(*start->change, untouched.state())) << index;
    EXPECT_TRUE(worlds::holds(*start->change, start->simulator.state())) << index;
    EXPECT_NE(worlds::optimal_actions(world, untouched.state()),
              worlds::optimal_actions(world, start->simulator.state()))
        << index;
    ASSERT_EQ(worlds::optimal_plan(world, start->simulator.state())->size(),
              static_cast<std::size_t>(start->optimal));
    EXPECT_EQ(start->budget(), worlds::step_budget(start->optimal));
  }
  EXPECT_GT(n_changed, 30u);
}

TEST(EpisodeStart, TellsWhatTheHarnessDidAndTheChangeWithoutACause) {
  const World world = world_of(4, 1);
  const auto start = episode_start(world, EpisodeKind::perturbed);
  ASSERT_TRUE(start);
  worlds::Narrator plain(world, {}), narrator(world, {});
  const std::string told = worlds::text_of(plain.prompt());

  const std::string text = episode_prompt(narrator, *start, EpisodeKind::perturbed, world);

  ASSERT_EQ(text.substr(0, told.size()), told);
  const std::string more = text.substr(told.size());
  const auto count = [&](const std::string& token) {
    std::size_t n = 0;
    for (std::size_t at = more.find(token); at != std::string::npos; at = more.find(token, at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(count("<|act|>"), 2u);
  EXPECT_EQ(count("<|obs|>"), 3u);
  const std::string last = more.substr(more.rfind("<|obs|>"));
  worlds::Simulator changed(world);
  for (const int action : start->played) changed.apply(action);
  const auto outcome = changed.intervene(*start->change);
  EXPECT_NE(last.find(outcome.text + "<|/ev|>"), std::string::npos) << last;
  EXPECT_EQ(last.find("<|by|>") == std::string::npos, outcome.laws_fired.empty()) << last;
}

TEST(EpisodeStart, IsTheSameEveryTime) {
  const World world = world_of(5, 3);

  EXPECT_EQ(episode_start(world, EpisodeKind::perturbed)->change,
            episode_start(world, EpisodeKind::perturbed)->change);
}

TEST(EpisodeStart, HidesMechanismsAndNothingElse) {
  EXPECT_EQ(
      without_mechanisms("a<|fact|><|e1|><|:|> b.<|/ev|><|mech|><|e2|><|by|><|e1|><|:|> "
                         "c.<|/ev|><|mech|><|e3|><|:|> d.<|/ev|><|goal|><|e4|><|:|> e.<|/ev|>"),
      "a<|fact|><|e1|><|:|> b.<|/ev|><|goal|><|e4|><|:|> e.<|/ev|>");
  EXPECT_EQ(without_mechanisms("no events"), "no events");
  EXPECT_EQ(without_mechanisms("x<|mech|>never closed"), "x");
}

TEST(Simulator, InterveningSetsAVariableAndLawsFollow) {
  const World world = worlds::hand_made_world();
  worlds::Simulator simulator(world);

  const auto outcome = simulator.intervene({1, true});  // the pan gets hot: the jar opens

  EXPECT_EQ(outcome.text, "the blue pan is hot, the old jar is open.");
  EXPECT_EQ(outcome.laws_fired, std::vector<int>{3});
  EXPECT_EQ(outcome.mechanism, -1);
  EXPECT_TRUE(outcome.changed);
  EXPECT_TRUE(simulator.goal_reached());
}

}  // namespace
}  // namespace hadal
