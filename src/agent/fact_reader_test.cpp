#include "agent/fact_reader.h"

#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

namespace hadal {

TEST(FactReader, UnderstandsWhatEveryDomainSays) {
  for (std::size_t domain = 0; domain < worlds::domains().size(); ++domain) {
    const worlds::World world =
        worlds::generate_world({.domain = domain, .depth = 3, .seed = 1}, {});
    for (std::size_t v = 0; v < world.variables.size(); ++v) {
      for (const bool value : {false, true}) {
        const worlds::Literal fact{static_cast<std::uint8_t>(v), value};
        const worlds::Literal other{fact.variable, !value};
        for (const std::string& text :
             {worlds::sentence(world, fact), worlds::short_form(world, fact),
              worlds::negated_sentence(world, other)}) {
          const auto read = read_fact(world, text);
          ASSERT_TRUE(read.has_value()) << text;
          EXPECT_EQ(*read, fact) << text;
        }
      }
    }
  }
}

TEST(FactReader, ReadsTheFactsOfAGoal) {
  const worlds::World world = worlds::hand_made_world();
  const auto goal = read_goal(world, "blue pan hot and the old jar is open");
  ASSERT_TRUE(goal.has_value());
  EXPECT_EQ(*goal, (std::vector<worlds::Literal>{{1, true}, {2, true}}));
  EXPECT_FALSE(read_goal(world, "blue pan hot and green pan hot").has_value());
  EXPECT_FALSE(read_goal(world, "").has_value());
}

TEST(FactReader, DoesNotMindCaseAndMarks) {
  const worlds::World world = worlds::hand_made_world();

  for (const char* text : {"The red lamp is lit.", " red  lamp lit?", "RED LAMP is not DARK"}) {
    const auto read = read_fact(world, text);
    ASSERT_TRUE(read.has_value()) << text;
    EXPECT_EQ(*read, (worlds::Literal{0, true})) << text;
  }
}

TEST(FactReader, ListsWhatThereIsWhenItDoesNotUnderstand) {
  const worlds::World world = worlds::hand_made_world();

  for (const char* text :
       {"", "the red lamp", "the red lamp is hot", "the moon is lit", "<|e1|>"}) {
    const auto read = read_fact(world, text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(read.error().message.find("the red lamp is dark or lit"), std::string::npos)
        << read.error().message;
    EXPECT_NE(read.error().message.find("the big cup is"), std::string::npos);
  }
}

}  // namespace hadal
