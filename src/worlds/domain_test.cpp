#include "worlds/domain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace hadal::worlds {
namespace {

bool is_plain_word(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

/// Those that are not empty.
std::vector<std::string_view> values(const std::string_view (&of_property)[kMaxValues]) {
  std::vector<std::string_view> found;
  for (std::string_view value : of_property)
    if (!value.empty()) found.push_back(value);
  return found;
}

TEST(Domain, ThereAreSixWithNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const Domain& domain : domains()) names.insert(domain.name);
  EXPECT_EQ(names, (std::set<std::string_view>{"household", "supply", "industrial", "finance",
                                               "healthcare", "manufacturing"}));
  EXPECT_EQ(domains()[0].name, "household") << "numbers are part of the data";
}

TEST(Domain, AValueHasAWordAndATool) {
  for (const Domain& domain : domains()) {
    std::size_t n_templates = 0;
    for (const Property& p : domain.properties) {
      EXPECT_EQ(values(p.words).size(), n_values(p)) << p.words[0];
      EXPECT_EQ(values(p.tools).size(), n_values(p)) << p.words[0];
      n_templates += n_values(p);
    }
    EXPECT_GE(n_templates, 12u);
    EXPECT_LE(n_templates, 21u);
  }
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
      for (std::string_view word : values(p.words))
        EXPECT_FALSE(words.contains(word)) << word << " is also part of a name";
      for (std::string_view tool : values(p.tools))
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
      for (const auto& of_property : {values(p.words), values(p.tools)})
        for (std::string_view word : of_property) EXPECT_TRUE(is_plain_word(word)) << word;
  }
}

TEST(Domain, AToolMeansOnePropertyAndOneValue) {
  for (const Domain& domain : domains()) {
    std::set<std::string_view> tools;
    std::set<std::string_view> words;
    std::size_t n = 0;
    for (const Property& p : domain.properties) {
      for (std::string_view tool : values(p.tools)) tools.insert(tool);
      for (std::string_view word : values(p.words)) words.insert(word);
      n += n_values(p);
    }
    EXPECT_EQ(tools.size(), n);
    EXPECT_EQ(words.size(), n);
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
  for (const Domain& domain : domains()) {
    int n_held_out = 0;
    for (std::string_view adjective : domain.adjectives)
      for (const EntityType& type : domain.types)
        for (std::string_view noun : type.nouns)
          n_held_out += is_held_out_name(adjective, noun) ? 1 : 0;
    // 7200 pairs: a fair hash gives 1440 with a standard deviation of 34.
    EXPECT_NEAR(n_held_out, 1440, 4 * 34) << domain.name;
  }
}

}  // namespace
}  // namespace hadal::worlds
