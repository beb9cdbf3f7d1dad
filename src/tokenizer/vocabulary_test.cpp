#include "tokenizer/vocabulary.h"

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tokenizer/random_text.h"
#include "tokenizer/synthetic.h"
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal {
namespace {

using Json = nlohmann::json;

// Specials 0-2, bytes 3-258, chat tokens 259-263, place holders; a few merges that end in place of
// place holders.
VocabularyTables small_tables() {
  VocabularyTables tables = make_synthetic_vocabulary(300, 0, 1, 2);
  tables.tokens[270] = "th";
  tables.tokens[271] = "the";
  tables.tokens[272] = "Ġthe";
  tables.merges = {"t h", "th e", "Ġ the"};
  return tables;
}

Json small_json() {
  return Json::parse(tokenizer_json_from_vocabulary(small_tables()));
}

struct Damage {
  const char* name;
  const char* pointer;  // place in the small tokenizer.json
  const char* value;    // JSON put there; nullptr removes the key
  ErrorCode code;
  const char* message;  // must appear
};

class DamagedTokenizerJson : public testing::TestWithParam<Damage> {};

TEST_P(DamagedTokenizerJson, GivesAnErrorThatNamesTheKey) {
  const Damage& damage = GetParam();
  Json root = small_json();
  const Json::json_pointer place(damage.pointer);
  if (damage.value != nullptr) {
    root[place] = Json::parse(damage.value);
  } else {
    root[place.parent_pointer()].erase(place.back());
  }

  const auto tokenizer = Tokenizer::from_json(root.dump(), "t.json");

  ASSERT_FALSE(tokenizer.has_value());
  EXPECT_EQ(tokenizer.error().code, damage.code) << tokenizer.error().message;
  EXPECT_NE(tokenizer.error().message.find(damage.message), std::string::npos)
      << tokenizer.error().message;
  EXPECT_EQ(tokenizer.error().message.rfind("t.json", 0), 0u) << tokenizer.error().message;
}

constexpr auto kBad = ErrorCode::bad_format;
constexpr auto kUnsupported = ErrorCode::unsupported;

const Damage kDamages[] = {
    {"ModelOfAnotherType", "/model/type", R"("Unigram")", kUnsupported,
     "'model.type': expected \"BPE\", found \"Unigram\""},
    {"NoModel", "/model", nullptr, kUnsupported, "'model.type'"},
    {"ModelIsText", "/model", R"("BPE")", kUnsupported, "'model.type'"},
    {"Dropout", "/model/dropout", "0.1", kUnsupported, "'model.dropout'"},
    {"UnknownToken", "/model/unk_token", R"("<unk>")", kUnsupported, "'model.unk_token'"},
    {"Suffix", "/model/end_of_word_suffix", R"("</w>")", kUnsupported,
     "'model.end_of_word_suffix'"},
    {"ByteFallback", "/model/byte_fallback", "true", kUnsupported, "'model.byte_fallback'"},
    {"IgnoreMerges", "/model/ignore_merges", "1", kUnsupported, "'model.ignore_merges'"},
    {"Normalizer", "/normalizer", R"({"type":"NFC"})", kUnsupported, "'normalizer': expected null"},
    {"NoPreTokenizer", "/pre_tokenizer", "null", kUnsupported,
     "'pre_tokenizer': expected DeepSeek's"},
    {"OtherRegex", "/pre_tokenizer/pretokenizers/0/pattern/Regex", R"("\\p{N}")", kUnsupported,
     "'pre_tokenizer.pretokenizers[0].pattern.Regex'"},
    {"OtherBehaviour", "/pre_tokenizer/pretokenizers/1/behavior", R"("Removed")", kUnsupported,
     "pretokenizers[1].behavior"},
    {"InvertedSplit", "/pre_tokenizer/pretokenizers/2/invert", "true", kUnsupported,
     "pretokenizers[2].invert"},
    {"PrefixSpace", "/pre_tokenizer/pretokenizers/3/add_prefix_space", "true", kUnsupported,
     "pretokenizers[3].add_prefix_space"},
    {"NoDecoder", "/decoder", "null", kUnsupported, "'decoder.type'"},
    {"VocabIsList", "/model/vocab", "[1,2]", kBad, "'model.vocab': expected an object"},
    {"NegativeId", "/model/vocab/a", "-1", kBad,
     "model.vocab[\"a\"]': expected an id below 2097152, found -1"},
    {"HugeId", "/model/vocab/a", "4000000000", kBad,
     "expected an id below 2097152, found 4000000000"},
    {"FractionalId", "/model/vocab/a", "1.5", kBad, "found 1.5"},
    {"IdTwice", "/model/vocab/a", "5", kBad, "expected an id of its own"},
    {"EmptyToken", "/model/vocab/", "299", kBad, "an id of its own"},
    {"EmptyTokenAtFreeId", "/model/vocab/", "300", kBad,
     "token 300: expected a text, found an empty one"},
    {"AddedIsObject", "/added_tokens", "{}", kBad, "'added_tokens': expected an array"},
    {"AddedWithoutText", "/added_tokens/0/content", "7", kBad,
     "'added_tokens[0].content': expected a text"},
    {"AddedWithoutId", "/added_tokens/0/id", nullptr, kBad,
     "'added_tokens[0].id': expected 0 as in model.vocab, found null"},
    {"AddedWithOtherId", "/added_tokens/0/id", "9", kBad,
     "'added_tokens[0].id': expected 0 as in model.vocab, found 9"},
    {"AddedTwice", "/added_tokens/1", R"({"id":0,"content":"<｜begin▁of▁sentence｜>"})", kBad,
     "'added_tokens[1].content'"},
    {"AddedEmpty", "/added_tokens/0", R"({"id":300,"content":""})", kBad, "token 300"},
    {"AddedStripsSpace", "/added_tokens/0/lstrip", "true", kUnsupported,
     "'added_tokens[0].lstrip'"},
    {"MergesMissing", "/model/merges", nullptr, kBad, "'model.merges': expected an array"},
    {"MergeIsNumber", "/model/merges/1", "7", kBad, "'model.merges[1]'"},
    {"MergeOfThree", "/model/merges/1", R"(["t","h","e"])", kBad, "'model.merges[1]'"},
    {"MergeWithoutSpace", "/model/merges/1", R"("the")", kBad, "merge 1: expected two UTF-8 texts"},
    {"MergeWithTwoSpaces", "/model/merges/1", R"("t h e")", kBad, "merge 1"},
    {"MergeWithEmptyPart", "/model/merges/1", R"(["","e"])", kBad, "merge 1"},
    {"MergeOfUnknownToken", "/model/merges/1", R"("th x")", kBad,
     "merge 1 ('th x'): expected normal tokens of the vocabulary, but 'thx' is missing"},
    {"MergeTwice", "/model/merges/2", R"("t h")", kBad, "found twice: 't' and 'h'"},
    // Otherwise a user could write a control token.
    {"MergeIntoSpecialToken", "/added_tokens/0", R"({"id":271,"content":"the"})", kBad,
     "but 'the' is a special token"},
};

INSTANTIATE_TEST_SUITE_P(Keys, DamagedTokenizerJson, testing::ValuesIn(kDamages),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TokenizerJson, RejectsWhatIsNotAnObject) {
  for (const char* text : {"", "[]", "7", "{", "null", "{\"model\": "}) {
    const auto tables = vocabulary_from_tokenizer_json(text, "t.json");
    ASSERT_FALSE(tables.has_value()) << text;
    EXPECT_EQ(tables.error().message.rfind("t.json", 0), 0u) << tables.error().message;
  }
}

TEST(TokenizerJson, RejectsATokenOfExcessiveLength) {
  Json root = small_json();
  root["model"]["vocab"][std::string(kMaxTokenBytes + 1, 'x')] = 300;

  const auto tables = vocabulary_from_tokenizer_json(root.dump(), "t.json");

  ASSERT_FALSE(tables.has_value());
  EXPECT_NE(tables.error().message.find("token 300: expected at most 4096 bytes, found 4097"),
            std::string::npos)
      << tables.error().message;
}

TEST(TokenizerJson, ReadsBackWhatItWrote) {
  const VocabularyTables tables = small_tables();

  const auto again =
      vocabulary_from_tokenizer_json(tokenizer_json_from_vocabulary(tables), "t.json");

  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, tables);
}

TEST(TokenizerJson, AcceptsTheFormsOfPublishedFiles) {
  const auto expected = vocabulary_from_tokenizer_json(small_json().dump(), "t.json");
  ASSERT_TRUE(expected.has_value());
  Json root = small_json();
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  auto& regex = root["pre_tokenizer"]["pretokenizers"][2]["pattern"]["Regex"];
  std::string spelled = regex.get<std::string>();
  for (std::size_t at; (at = spelled.find("\\r\\n")) != std::string::npos;) {
    spelled.replace(at, 4, "\r\n");
  }
  regex = spelled;
  root["model"]["merges"] = Json::array({{"t", "h"}, {"th", "e"}, {"Ġ", "the"}});
  root["model"]["vocab"].erase("<think>");  // an added token may be missing in the vocabulary

  const auto tables = vocabulary_from_tokenizer_json(root.dump(), "t.json");

  ASSERT_TRUE(tables.has_value()) << tables.error().message;
  EXPECT_EQ(*tables, *expected);
}

TEST(TokenizerJson, FillsRowsWithoutATokenUpToTheEmbedding) {
  Json root = small_json();
  root["model"]["vocab"].erase("<tok_280>");

  const auto tables = vocabulary_from_tokenizer_json(root.dump(), "t.json", 310);

  ASSERT_TRUE(tables.has_value()) << tables.error().message;
  ASSERT_EQ(tables->tokens.size(), 310u);
  for (const std::size_t id : {280u, 309u}) {
    EXPECT_EQ(tables->types[id], TokenType::unused);
    EXPECT_EQ(tables->tokens[id], "[PAD" + std::to_string(id) + "]");
  }
}

// A GGUF image with this vocabulary; `drop` is a key to leave out.
std::vector<std::byte> gguf_image(const VocabularyTables& tables,
                                  std::string_view pre = "joyai-llm", std::string_view drop = "") {
  std::vector<std::int32_t> types;
  for (const TokenType type : tables.types) types.push_back(static_cast<std::int32_t>(type));
  GgufWriter writer;
  writer.add_string("general.architecture", "deepseek4");
  if (drop != "model") writer.add_string("tokenizer.ggml.model", "gpt2");
  if (drop != "pre") writer.add_string("tokenizer.ggml.pre", pre);
  if (drop != "tokens") writer.add_string_array("tokenizer.ggml.tokens", tables.tokens);
  if (drop != "token_type") writer.add_i32_array("tokenizer.ggml.token_type", types);
  if (drop != "merges") writer.add_string_array("tokenizer.ggml.merges", tables.merges);
  writer.add_u32("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(tables.bos));
  writer.add_u32("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(tables.eos));
  writer.add_u32("tokenizer.ggml.padding_token_id", static_cast<std::uint32_t>(tables.pad));
  auto image = writer.write_to_memory([](std::size_t, TensorSink&) { return Result<void>(); });
  return std::move(image).value();
}

Result<VocabularyTables> read_gguf(const std::vector<std::byte>& image) {
  HADAL_ASSIGN(const GgufFile file, GgufFile::parse(image, "v.gguf"));
  return vocabulary_from_gguf(file);
}

TEST(GgufVocabulary, ReadsWhatTheTablesHold) {
  const VocabularyTables tables = small_tables();
  for (const char* pre : {"joyai-llm", "deepseek-v3"}) {
    const auto again = read_gguf(gguf_image(tables, pre));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, tables);
  }
}

TEST(GgufVocabulary, GivesTheSameIdsAsTokenizerJson) {
  const std::string json = read_golden("mixed-2048.json");
  const auto tables = vocabulary_from_tokenizer_json(json, "mixed-2048.json");
  ASSERT_TRUE(tables.has_value());
  const auto image = gguf_image(*tables);
  const auto file = GgufFile::parse(image, "v.gguf");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const auto from_gguf = Tokenizer::from_gguf(*file);
  const auto from_json = Tokenizer::from_json(json, "mixed-2048.json");
  ASSERT_TRUE(from_gguf.has_value() && from_json.has_value());

  const RandomText random;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string text = random.text(i);
    for (const auto mode : {SpecialTokens::as_text, SpecialTokens::parse}) {
      ASSERT_EQ(from_gguf->encode(text, mode), from_json->encode(text, mode)) << "string " << i;
    }
  }
}

TEST(GgufVocabulary, NamesTheMissingKey) {
  for (const char* key : {"model", "pre", "tokens", "token_type", "merges"}) {
    const auto tables = read_gguf(gguf_image(small_tables(), "joyai-llm", key));
    ASSERT_FALSE(tables.has_value()) << key;
    EXPECT_NE(tables.error().message.find(std::string("tokenizer.ggml.") + key), std::string::npos)
        << tables.error().message;
  }
}

TEST(GgufVocabulary, RefusesAnotherPreTokenizer) {
  const auto tables = read_gguf(gguf_image(small_tables(), "llama-bpe"));
  ASSERT_FALSE(tables.has_value());
  EXPECT_EQ(tables.error().code, ErrorCode::unsupported);
  EXPECT_NE(tables.error().message.find("found 'llama-bpe'"), std::string::npos)
      << tables.error().message;
}

TEST(GgufVocabulary, RefusesTwoTokensWithOneText) {
  VocabularyTables tables = small_tables();
  tables.tokens[290] = "th";
  const auto image = gguf_image(tables);
  const auto file = GgufFile::parse(image, "v.gguf");
  ASSERT_TRUE(file.has_value());

  const auto tokenizer = Tokenizer::from_gguf(*file);

  ASSERT_FALSE(tokenizer.has_value());
  EXPECT_NE(tokenizer.error().message.find("tokens 270 and 290"), std::string::npos)
      << tokenizer.error().message;
}

TEST(GgufVocabulary, RefusesTypesAndTextsOutOfRange) {
  VocabularyTables types = small_tables();
  types.types[7] = static_cast<TokenType>(9);
  VocabularyTables invalid_text = small_tables();
  invalid_text.tokens[7] = "\xFF";
  VocabularyTables bos = small_tables();
  bos.bos = 300;
  for (const auto& tables : {types, invalid_text, bos}) {
    EXPECT_FALSE(read_gguf(gguf_image(tables)).has_value());
  }
}

TEST(GgufVocabulary, NamesTheKeyWhoseLengthIsWrong) {
  VocabularyTables tables = small_tables();
  tables.types.pop_back();
  const auto again = read_gguf(gguf_image(tables));
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(
      again.error().message.find("'tokenizer.ggml.token_type': expected 300 integers, found 299"),
      std::string::npos)
      << again.error().message;
}

TEST(SyntheticVocabulary, HasItsTokensInTheSpecifiedOrder) {
  const VocabularyTables tables = make_synthetic_vocabulary(300, 0, 1, 2);

  EXPECT_EQ(tables.tokens[0], "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(tables.tokens[1], "<｜end▁of▁sentence｜>");
  EXPECT_EQ(tables.tokens[2], "<｜▁pad▁｜>");
  EXPECT_EQ(tables.tokens[3 + 'a'], "a");
  EXPECT_EQ(tables.tokens[3 + ' '], "Ġ");
  EXPECT_EQ(tables.tokens[259], "<｜User｜>");
  EXPECT_EQ(tables.tokens[263], "｜DSML｜");
  EXPECT_EQ(tables.tokens[264], "<tok_264>");
  EXPECT_TRUE(is_added(tables.types[259]) && !is_added(tables.types[264]));
}

TEST(SyntheticVocabulary, PutsControlTokensWhereTheConfigSays) {
  const VocabularyTables tables = make_synthetic_vocabulary(262, 261, 5, 5);

  EXPECT_EQ(tables.tokens[261], "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(tables.tokens[5], "<｜end▁of▁sentence｜>");
  EXPECT_EQ(tables.tokens[6], "ą");  // byte 5
  EXPECT_EQ(tables.tokens[257], "<｜User｜>");
  EXPECT_EQ(tables.tokens[260], "</think>");
}

TEST(SyntheticVocabulary, CannotEncodeWhereBytesDoNotFit) {
  const auto fits = Tokenizer::from_json(make_synthetic_tokenizer_json(259, 0, 1, 2), "s");
  const auto small = Tokenizer::from_json(make_synthetic_tokenizer_json(258, 0, 1, 2), "s");

  ASSERT_TRUE(fits.has_value() && small.has_value());
  EXPECT_TRUE(fits->can_encode());
  EXPECT_FALSE(small->can_encode());
  EXPECT_EQ(small->vocab_size(), 258u);
  const std::int32_t id = 257;
  EXPECT_EQ(small->decode({&id, 1}), "<tok_257>");
}

}  // namespace
}  // namespace hadal
