#include "tokenizer/tokenizer.h"

#include "tokenizer/byte_spelling.h"
#include "tokenizer/random_text.h"
#include "tokenizer/synthetic.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace hadal {
namespace {

using Ids = std::vector<std::int32_t>;

Tokenizer mixed_tokenizer() {
  auto tokenizer = Tokenizer::from_json(read_golden("mixed-2048.json"), "mixed-2048.json");
  return std::move(tokenizer).value();
}

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

TEST(ByteSpelling, IsABijection) {
  const std::string bytes = all_bytes();
  EXPECT_EQ(unspell_bytes(spell_bytes(bytes)), bytes);
  EXPECT_EQ(spell_bytes(" the\n"), "ĠtheĊ");
  EXPECT_FALSE(unspell_bytes("｜").has_value());
  EXPECT_FALSE(unspell_bytes("a b").has_value());  // the space is spelled Ġ
}

TEST(Tokenizer, RoundTripsAllBytesAndRandomBytes) {
  const Tokenizer tokenizer = mixed_tokenizer();
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(all_bytes(), SpecialTokens::parse)), all_bytes());
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    RandomStream random(seed);
    std::string bytes;
    for (std::uint32_t n = random.below(300); n > 0; --n) {
      bytes.push_back(static_cast<char>(random.below(256)));
    }
    for (const auto mode : {SpecialTokens::as_text, SpecialTokens::parse}) {
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(bytes, mode)), bytes) << "seed " << seed;
    }
  }
}

TEST(Tokenizer, EncodesInvalidUtf8ByteByByte) {
  const Tokenizer tokenizer = mixed_tokenizer();
  const std::string half = "\xE4\xBD";  // the beginning of 你, which is a merge in this vocabulary
  const Ids ids = tokenizer.encode(half + "\xFF", SpecialTokens::as_text);

  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(tokenizer.token_bytes(ids[0]), "\xE4");
  EXPECT_EQ(tokenizer.token_bytes(ids[1]), "\xBD");
  EXPECT_EQ(tokenizer.token_bytes(ids[2]), "\xFF");
}

TEST(Tokenizer, NeverMakesAControlTokenOfUserText) {
  const Tokenizer tokenizer = mixed_tokenizer();
  const RandomText random;
  std::string specials;
  for (std::int32_t id = 0; tokenizer.is_special(id); ++id) specials += tokenizer.token_bytes(id);

  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string text = i == 0 ? specials : random.text(i);
    for (const std::int32_t id : tokenizer.encode(text, SpecialTokens::as_text)) {
      ASSERT_FALSE(tokenizer.is_special(id)) << "string " << i << ", id " << id;
    }
  }
}

TEST(Tokenizer, ParsesEverySpecialToken) {
  const Tokenizer tokenizer = mixed_tokenizer();
  std::string text;
  Ids expected;
  for (std::int32_t id = 0; tokenizer.is_special(id); ++id) {
    expected.push_back(id);
    text += tokenizer.token_bytes(id);
    EXPECT_EQ(tokenizer.find_special(tokenizer.token_bytes(id)), id);
  }

  EXPECT_EQ(expected.size(), 116u);
  EXPECT_EQ(tokenizer.encode(text, SpecialTokens::parse), expected);
  EXPECT_EQ(tokenizer.find_special("<think"), std::nullopt);
  EXPECT_EQ(tokenizer.find_special("the"), std::nullopt);
}

TEST(Tokenizer, PrefersTheLeftmostThenTheLongestSpecialToken) {
  VocabularyTables tables = make_synthetic_vocabulary(280, 0, 1, 2);
  const char* texts[] = {"<a>", "<a><b>", "><b", "<b>"};
  for (std::size_t i = 0; i < 4; ++i) {
    tables.tokens[270 + i] = texts[i];
    tables.types[270 + i] = TokenType::user_defined;
  }
  const auto tokenizer = Tokenizer::from_vocabulary(tables, "t");
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  const auto byte = [](char c) { return 3 + c; };

  EXPECT_EQ(tokenizer->encode("<a><b>", SpecialTokens::parse), (Ids{271}));
  EXPECT_EQ(tokenizer->encode("<a><c>", SpecialTokens::parse),
            (Ids{270, byte('<'), byte('c'), byte('>')}));
  EXPECT_EQ(tokenizer->encode("x><b>", SpecialTokens::parse), (Ids{byte('x'), 272, byte('>')}));
}

TEST(Tokenizer, IgnoresIdsOutsideOfTheVocabulary) {
  const Tokenizer tokenizer = mixed_tokenizer();
  const Ids ids = {-1, 2048, 0x7FFFFFFF, 4};
  EXPECT_EQ(tokenizer.decode(ids), "<｜Assistant｜>");
  EXPECT_FALSE(tokenizer.is_special(-1) || tokenizer.is_special(2048));
}

TEST(Tokenizer, GivesTheSameIdsToEveryThread) {
  const Tokenizer tokenizer = mixed_tokenizer();
  const RandomText random;
  std::string text;
  for (std::uint64_t i = 0; i < 500; ++i) text += random.text(i);
  const Ids expected = tokenizer.encode(text, SpecialTokens::parse);

  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) {
    threads.emplace_back([&] { result = tokenizer.encode(text, SpecialTokens::parse); });
  }
  for (std::thread& thread : threads) thread.join();

  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace hadal
