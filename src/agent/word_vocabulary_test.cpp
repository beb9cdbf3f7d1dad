#include "agent/word_vocabulary.h"

#include "agent/training_text.h"
#include "tokenizer/tokenizer.h"
#include "worlds/narrative.h"
#include "worlds/phrase.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

namespace hadal {
namespace {

constexpr std::size_t kNouns = 8;

std::string read_file(const std::string& path) {
  std::ifstream file(std::string(HADAL_SOURCE_DIR) + "/" + path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Tokenizer word_tokenizer() {
  auto tokenizer = Tokenizer::from_vocabulary(word_vocabulary(kNouns), "words");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(tokenizer).value();
}

TEST(WordVocabulary, HasTheSpecialTokensOfTheBuiltInAndAboutAThousandTokens) {
  const auto builtin =
      vocabulary_from_tokenizer_json(read_file("models/builtin/tokenizer.json"), "builtin");
  ASSERT_TRUE(builtin) << builtin.error().message;
  const VocabularyTables words = word_vocabulary(kNouns);

  EXPECT_LE(words.tokens.size(), 1152u);
  std::size_t n_special = 0;
  for (std::size_t id = 0; id < words.tokens.size(); ++id) {
    if (!is_added(words.types[id])) continue;
    ++n_special;
    EXPECT_EQ(words.tokens[id], builtin->tokens[id]);
    EXPECT_EQ(words.types[id], builtin->types[id]);
  }
  EXPECT_EQ(n_special, 116u);
  EXPECT_FALSE(is_added(builtin->types[n_special]));
}

TEST(WordVocabulary, FileOfTheExperimentsIsTheOneThatTheToolPrints) {
  EXPECT_EQ(read_file("experiments/world_model/tokenizer.json"),
            tokenizer_json_from_vocabulary(word_vocabulary(kNouns)));
}

// One token per word in every domain; of the bytes, the colon of a refusal alone.
TEST(WordVocabulary, CompactNarrativesAreWholeWords) {
  const Tokenizer tokenizer = word_tokenizer();
  const auto all = worlds::parse_domain_choice("all");
  worlds::WorldOptions options;
  options.text_form = worlds::TextForm::compact;
  options.nouns_per_type = kNouns;
  options.max_episodes = 3;
  options.question_share = 1.0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const worlds::WorldKey key{.split = worlds::Split::train,
                               .domain = all->indices[i % all->indices.size()],
                               .depth = 1 + static_cast<int>(i % 4),
                               .seed = 3,
                               .index = i};
    const std::string text = worlds::text_of(worlds::training_narrative(key, options));
    const auto ids = tokenizer.encode(text, SpecialTokens::parse);

    EXPECT_EQ(tokenizer.decode(ids), text);
    for (std::int32_t id : ids) {
      const std::string_view token = tokenizer.token_bytes(id);
      EXPECT_TRUE(token.size() > 1 || token == ":") << "'" << token << "' in " << text;
    }
  }
}

}  // namespace
}  // namespace hadal
