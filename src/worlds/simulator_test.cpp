#include "worlds/simulator.h"

#include "worlds/generator.h"
#include "worlds/plan.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

namespace hadal::worlds {
namespace {

Outcome call(Simulator& simulator, std::string_view tool, std::string item) {
  const Argument arguments[] = {{"item", std::move(item)}};
  return simulator.apply(tool, arguments);
}

TEST(Simulator, NamesTheFirstUnmetPrecondition) {
  const World world = hand_made_world();
  Simulator simulator(world);
  const Outcome outcome = call(simulator, "heat", "blue pan");
  EXPECT_FALSE(outcome.valid);
  EXPECT_FALSE(outcome.changed);
  EXPECT_EQ(outcome.mechanism, 1);
  EXPECT_EQ(outcome.text, "nothing happens: the red lamp is not lit.");
  EXPECT_EQ(simulator.state(), world.initial);
}

TEST(Simulator, TellsAllEffectsAndThoseOfLaws) {
  const World world = hand_made_world();
  Simulator simulator(world);
  EXPECT_EQ(call(simulator, "light", "red lamp").text,
            "the red lamp is lit, the big cup is dirty.");
  EXPECT_EQ(call(simulator, "wash", "big cup").text, "the big cup is clean.");
  EXPECT_FALSE(simulator.goal_reached());
  const Outcome last = call(simulator, "heat", "blue pan");
  EXPECT_EQ(last.text, "the blue pan is hot, the old jar is open.");
  EXPECT_EQ(last.laws_fired, std::vector<int>{3});
  EXPECT_EQ(last.became_true, (std::vector<Literal>{{1, true}, {2, true}}));
  EXPECT_TRUE(simulator.goal_reached());
}

TEST(Simulator, RepeatedActionIsValidAndChangesNothing) {
  const World world = hand_made_world();
  Simulator simulator(world);
  call(simulator, "light", "red lamp");
  const Outcome again = call(simulator, "light", "red lamp");
  EXPECT_TRUE(again.valid);
  EXPECT_FALSE(again.changed);
  EXPECT_TRUE(again.became_true.empty());
}

TEST(Simulator, UnknownCallsChangeNothingAndAreNotEchoed) {
  const World world = hand_made_world();
  Simulator simulator(world);
  const std::string expected = "nothing happens: there is no such action.";
  EXPECT_EQ(call(simulator, "open", "old jar").text, expected) << "only a law can open the jar";
  EXPECT_EQ(call(simulator, "<|act|>", "<|/ev|>").text, expected);
  EXPECT_EQ(call(simulator, "", "").text, expected);
  EXPECT_EQ(simulator.apply("light", {}).text, expected);
  const Argument wrong_name[] = {{"thing", "red lamp"}};
  EXPECT_EQ(simulator.apply("light", wrong_name).text, expected);
  const Argument too_many[] = {{"item", "red lamp"}, {"item", "red lamp"}};
  EXPECT_EQ(simulator.apply("light", too_many).text, expected);
  EXPECT_EQ(simulator.state(), world.initial);
}

TEST(Simulator, ListsExecutableActions) {
  const World world = hand_made_world();
  Simulator simulator(world);
  EXPECT_EQ(simulator.valid_actions(), std::vector<int>{0});
  simulator.apply(0);
  EXPECT_EQ(simulator.valid_actions(), (std::vector<int>{0, 2}));
}

TEST(RandomPolicy, IsDeterministicAndFarFromPerfectAtDepthThree) {
  int n_solved = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const World world =
        generate_world({.split = Split::test, .depth = 3, .seed = 9, .index = i}, varied_worlds());
    const bool solved = random_policy_succeeds(world, 0);
    EXPECT_EQ(solved, random_policy_succeeds(world, 0));
    n_solved += solved ? 1 : 0;
  }
  EXPECT_GT(n_solved, 0);
  EXPECT_LT(n_solved, 350);
}

TEST(StepBudget, IsTheOptimumPlusHalfAndAtLeastTwo) {
  EXPECT_EQ(step_budget(1), 3);
  EXPECT_EQ(step_budget(2), 4);
  EXPECT_EQ(step_budget(3), 5);
  EXPECT_EQ(step_budget(4), 6);
  EXPECT_EQ(step_budget(5), 7);
  EXPECT_EQ(step_budget(6), 9);
  EXPECT_EQ(step_budget(8), 12);
}

}  // namespace
}  // namespace hadal::worlds
