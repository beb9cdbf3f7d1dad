#include "worlds/request.h"

#include "worlds/phrase.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <set>

namespace hadal::worlds {
namespace {

std::set<std::string> requests(const World& world, std::span<const Literal> goal,
                               Wordings wordings) {
  std::set<std::string> texts;
  RandomStream random(1);
  for (int i = 0; i < 2000; ++i) texts.insert(request_text(world, goal, wordings, random));
  return texts;
}

TEST(Request, AsksForAGoalInManyWordings) {
  const World world = hand_made_world();
  const Literal hot{1, true};
  const auto texts = requests(world, {&hot, 1}, Wordings::training);
  for (const char* expected :
       {"Please make the blue pan hot.", "I want the blue pan to be hot.",
        "make sure that the blue pan is hot", "Heat the blue pan.", "can you heat the blue pan",
        "The blue pan hot, please.", "I need the blue pan hot"})
    EXPECT_TRUE(texts.contains(expected)) << expected;
  for (const std::string& text : texts) EXPECT_NE(text.find("blue pan"), std::string::npos) << text;
}

TEST(Request, NamesTheOppositeByItsOwnWordsAndBothOfTwoGoals) {
  const World world = hand_made_world();
  const Literal goal[] = {{1, false}, {2, true}};
  const auto texts = requests(world, goal, Wordings::training);
  EXPECT_TRUE(texts.contains("Get the blue pan cold and the old jar open."));
  EXPECT_TRUE(texts.contains("cool the blue pan and open the old jar"));
}

TEST(Request, HeldOutWordingsAreNotTrained) {
  const World world = hand_made_world();
  const auto trained = requests(world, world.goal, Wordings::training);
  const auto held_out = requests(world, world.goal, Wordings::held_out);
  EXPECT_GE(held_out.size(), 8u);
  for (const std::string& text : held_out) EXPECT_FALSE(trained.contains(text)) << text;
}

}  // namespace
}  // namespace hadal::worlds
