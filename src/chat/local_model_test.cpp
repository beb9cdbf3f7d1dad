#include "chat/local_model.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

/// A vocabulary of letters and added tokens.
Tokenizer tokenizer_with(const std::vector<std::string>& added) {
  VocabularyTables tables{
      .tokens = {"a", "b"}, .types = {TokenType::normal, TokenType::normal}, .merges = {}};
  for (const std::string& token : added) {
    tables.tokens.push_back(token);
    tables.types.push_back(TokenType::user_defined);
  }
  return Tokenizer::from_vocabulary(tables, "test").value();
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < StructureTokens::kCount; ++i)
    names.push_back(StructureTokens::name(i));
  return names;
}

TEST(FindStructureTokens, TakesTheirIdsFromTheAddedTokens) {
  const auto found = find_structure_tokens(tokenizer_with(all_names()), "test");

  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->openers[0], 2);  // <|mech|>
  EXPECT_EQ((*found)->by, 9);
  EXPECT_EQ((*found)->ids[95], 2 + 105);
}

TEST(FindStructureTokens, FindsNothingInAnOrdinaryVocabulary) {
  const auto found = find_structure_tokens(tokenizer_with({"<think>"}), "test");

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_FALSE(*found);
}

TEST(FindStructureTokens, NamesTheFirstThatIsMissing) {
  std::vector<std::string> names = all_names();
  names.erase(names.begin() + 9);  // <|/ev|>

  const auto found = find_structure_tokens(tokenizer_with(names), "test");

  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("<|/ev|>"), std::string::npos) << found.error().message;
}

}  // namespace
}  // namespace hadal
