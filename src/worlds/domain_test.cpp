#include "worlds/domain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace hadal::worlds {
namespace {

bool is_plain_word(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

TEST(Domain, HasSixtyAdjectivesAndOneHundredAndTwentyNounsAllDifferent) {
  for (const Domain& domain : domains()) {
    std::set<std::string_view> words(domain.adjectives.begin(), domain.adjectives.end());
    EXPECT_EQ(words.size(), 60u);
    std::size_t n_nouns = 0;
    for (const EntityType& type : domain.types) {
      n_nouns += type.nouns.size();
      words.insert(type.nouns.begin(), type.nouns.end());
    }
    EXPECT_EQ(n_nouns, 120u);
    EXPECT_EQ(words.size(), 180u);
    for (const Property& p : domain.properties) {
      for (std::string_view word : p.words)
        EXPECT_FALSE(words.contains(word)) << word << " is also part of a name";
      for (std::string_view tool : p.tools)
        EXPECT_FALSE(words.contains(tool)) << tool << " is also part of a name";
    }
  }
}

// Letters alone cannot form a special token, so no name can smuggle one into a prompt.
TEST(Domain, WordsAreLettersOnly) {
  for (const Domain& domain : domains()) {
    EXPECT_TRUE(is_plain_word(domain.name) && is_plain_word(domain.parameter));
    for (std::string_view word : domain.adjectives) EXPECT_TRUE(is_plain_word(word)) << word;
    for (const EntityType& type : domain.types)
      for (std::string_view word : type.nouns) EXPECT_TRUE(is_plain_word(word)) << word;
    for (const Property& p : domain.properties)
      for (std::string_view word : {p.words[0], p.words[1], p.tools[0], p.tools[1]})
        EXPECT_TRUE(is_plain_word(word)) << word;
  }
}

TEST(Domain, AToolMeansOnePropertyAndOneValue) {
  for (const Domain& domain : domains()) {
    std::set<std::string_view> tools;
    std::set<std::string_view> words;
    for (const Property& p : domain.properties) {
      tools.insert({p.tools[0], p.tools[1]});
      words.insert({p.words[0], p.words[1]});
    }
    EXPECT_EQ(tools.size(), 2 * domain.properties.size());
    EXPECT_EQ(words.size(), 2 * domain.properties.size());
  }
}

TEST(Domain, EveryTypeHasPropertiesOfTheDomain) {
  for (const Domain& domain : domains())
    for (const EntityType& type : domain.types) {
      EXPECT_FALSE(type.properties.empty());
      for (std::uint8_t p : type.properties) EXPECT_LT(p, domain.properties.size());
    }
}

TEST(Domain, OneNameInFiveIsHeldOut) {
  const Domain& domain = domains()[0];
  int n_held_out = 0;
  for (std::string_view adjective : domain.adjectives)
    for (const EntityType& type : domain.types)
      for (std::string_view noun : type.nouns)
        n_held_out += is_held_out_name(adjective, noun) ? 1 : 0;
  // 7200 pairs: a fair hash gives 1440 with a standard deviation of 34.
  EXPECT_NEAR(n_held_out, 1440, 4 * 34);
}

}  // namespace
}  // namespace hadal::worlds
