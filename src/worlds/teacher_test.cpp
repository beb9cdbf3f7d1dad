#include "worlds/teacher.h"

#include "worlds/generator.h"
#include "worlds/plan.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hadal::worlds {
namespace {

TEST(Teacher, ReachesTheGoalAndMarksExactlyItsMistakes) {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const World world =
        generate_world({.depth = static_cast<int>(i % 3) + 1, .index = i}, varied_worlds());
    Simulator simulator(world);
    for (const TeacherStep& step : teacher_episode(world, {})) {
      ASSERT_FALSE(simulator.goal_reached());
      const auto before = optimal_plan(world, simulator.state());
      const Outcome outcome = simulator.apply(step.mechanism);
      EXPECT_EQ(outcome.text, step.outcome.text);
      const auto after = optimal_plan(world, simulator.state());
      ASSERT_TRUE(before && after);
      EXPECT_EQ(after->size() + 1 == before->size(), !step.is_mistake);
    }
    EXPECT_TRUE(simulator.goal_reached());
  }
}

TEST(Teacher, OneActionInFiveIsAMistakeOfBothKinds) {
  int n_steps = 0, n_mistakes = 0, n_invalid = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const World world =
        generate_world({.depth = static_cast<int>(i % 3) + 1, .index = i}, varied_worlds());
    int n_here = 0;
    for (const TeacherStep& step : teacher_episode(world, {})) {
      ++n_steps;
      n_here += step.is_mistake ? 1 : 0;
      n_invalid += step.outcome.valid ? 0 : 1;
    }
    EXPECT_LE(n_here, WorldOptions{}.max_mistakes);
    n_mistakes += n_here;
  }
  EXPECT_NEAR(static_cast<double>(n_mistakes) / n_steps, 0.2, 0.03);
  EXPECT_GT(n_invalid, n_mistakes / 10);
  EXPECT_LT(n_invalid, n_mistakes * 9 / 10);
}

TEST(Teacher, PlansAnewAfterAChangeFromOutside) {
  WorldOptions options;
  options.change_share = 1.0;
  int n_changes = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const World world =
        generate_world({.depth = static_cast<int>(i % 3) + 1, .index = i}, varied_worlds());
    Simulator simulator(world);
    int n_here = 0;
    for (const TeacherStep& step : teacher_episode(world, options)) {
      if (step.change) {
        const auto before = optimal_actions(world, simulator.state());
        ASSERT_FALSE(holds(step.change->literal, simulator.state()));
        EXPECT_EQ(simulator.intervene(step.change->literal).text, step.change->outcome.text);
        EXPECT_NE(optimal_actions(world, simulator.state()), before);
        ++n_here;
      }
      EXPECT_EQ(optimal_actions(world, simulator.state()), step.optimal);
      simulator.apply(step.mechanism);
    }
    EXPECT_TRUE(simulator.goal_reached());
    EXPECT_LE(n_here, 1);
    n_changes += n_here;
  }
  EXPECT_GT(n_changes, 300);
}

TEST(Teacher, WithoutMistakesThePlanIsOptimal) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const World world =
        generate_world({.depth = static_cast<int>(i % 3) + 1, .index = i}, varied_worlds());
    EXPECT_EQ(static_cast<int>(teacher_episode(world, {.mistake_share = 0.0}).size()),
              world.key.depth);
  }
}

}  // namespace
}  // namespace hadal::worlds
