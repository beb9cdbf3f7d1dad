#include "worlds/decontamination.h"

#include "worlds/narrative.h"
#include "worlds/narrator.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <string>

namespace hadal::worlds {
namespace {

std::string events(const std::string& first, const std::string& second, int id) {
  return "<|mech|><|e" + std::to_string(id) + "|><|:|> " + first + "<|/ev|><|act|><|e" +
         std::to_string(id + 1) + "|><|by|><|e" + std::to_string(id) + "|><|:|> " + second +
         "<|/ev|>";
}

TEST(SpanningNgrams, AreThirteenWordsOfTwoEventsWithoutIds) {
  EXPECT_EQ(spanning_ngrams(events("a b c d e f g", "h i j k l", 1)).size(), 0u) << "12 words";
  EXPECT_EQ(spanning_ngrams(events("a b c d e f g", "h i j k l m", 1)).size(), 1u);
  EXPECT_EQ(spanning_ngrams(events("a b c d e f g", "h i j k l m n", 1)).size(), 2u);
  EXPECT_EQ(spanning_ngrams(events("a b c d e f g", "h i j k l m n", 1)),
            spanning_ngrams(events("a b c d e f g", "h i j k l m n", 50)));
  EXPECT_EQ(spanning_ngrams(events("a b c d e f g h i j k l m", "", 1)).size(), 0u) << "one event";
  EXPECT_NE(spanning_ngrams(events("a b c d e f g", "h i j k l m", 1)),
            spanning_ngrams(events("b a c d e f g", "h i j k l m", 1)));
}

TEST(NgramIndex, FindsTheSameStoryUnderOtherIdsAndNoOther) {
  NgramIndex index;
  index.add(events("heat the red pan if the old stove is lit", "heat red pan now", 3));

  EXPECT_TRUE(
      index.overlaps(events("heat the red pan if the old stove is lit", "heat red pan now", 70)));
  EXPECT_TRUE(index.overlaps(
      events("so heat the red pan if the old stove is lit", "heat red pan now and then", 70)));
  EXPECT_FALSE(
      index.overlaps(events("heat the blue pan if the old stove is lit", "heat blue pan now", 3)));
}

TEST(NgramIndex, HeldOutNamesNeverOverlap) {
  WorldOptions options = varied_worlds();
  options.text_form = TextForm::compact;
  NgramIndex index;
  for (std::uint64_t i = 0; i < 500; ++i)
    index.add(text_of(training_narrative(
        {.split = Split::train, .domain = i % 6, .depth = 2, .seed = 1, .index = i}, options)));
  EXPECT_GT(index.size(), 10000u);
  for (std::uint64_t i = 0; i < 200; ++i)
    EXPECT_FALSE(index.overlaps(text_of(training_narrative(
        {.split = Split::test_comp, .domain = i % 6, .depth = 2, .seed = 1, .index = i},
        options))));
}

}  // namespace
}  // namespace hadal::worlds
