// Masks and matchers: the tables and caches against plain stepping.
#include "grammar/grammar_for_test.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

std::vector<SharedGrammar> grammars() {
  const char* const schemas[] = {
      R"({})",
      R"({"type": "object", "properties": {"name": {"type": "string"}, "x": {"type": "integer"}},
          "required": ["name"], "additionalProperties": false})",
      R"({"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 5},
          "minItems": 1, "maxItems": 3})",
      R"({"type": "array", "items": {"anyOf": [{"type": "string", "maxLength": 3},
          {"const": "abc"}, {"type": "string", "minLength": 1, "pattern": "^[a-c]+$"}]}})",
      R"({"type": "object", "additionalProperties": {"enum": ["a", "ab", 1, null, {"x": ["a"]}]}})",
      R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"a": {"$ref":
          "#/$defs/t"}, "b": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}}})",
  };
  std::vector<SharedGrammar> all;
  for (const char* schema : schemas)
    for (const JsonSpace space : {JsonSpace::none, JsonSpace::single, JsonSpace::pretty})
      all.push_back(share(compile_json_schema(schema, "schema", {.space = space})));
  for (const char* pattern : {"[ab]*c", "(the |a )*name", ".{0,9}", "é*漢"})
    all.push_back(share(compile_regex(pattern)));
  return all;
}

TEST(Constraint, MaskEqualsTryingEveryToken) {
  std::uint64_t seed = 0;
  for (const SharedGrammar& grammar : grammars()) {
    const auto vocabulary = byte_vocabulary(random_tokens(++seed, 400));
    const auto constraint = std::make_shared<Constraint>(grammar, vocabulary);
    RandomStream random(seed);
    for (int text = 0; text < 3; ++text) {
      Matcher matcher(constraint);
      for (int step = 0; step < 20 && !matcher.is_ended(); ++step) {
        const TokenMask mask = matcher.mask();
        const TokenMask expected = brute_force_mask(matcher, *vocabulary);
        for (std::int32_t id = 0; id < 658; ++id) {
          ASSERT_EQ(mask.allows(id), expected.allows(id))
              << "grammar " << seed << ", step " << step << ", token " << id << " \""
              << vocabulary->spelled(id) << '"';
        }
        const std::int32_t token = random_token(mask, random);
        ASSERT_GE(token, 0) << "grammar " << seed << ": a dead end";
        ASSERT_TRUE(matcher.accept_token(token));
      }
    }
  }
}

TEST(Constraint, RollbackEqualsReplay) {
  std::uint64_t seed = 100;
  for (const SharedGrammar& grammar : grammars()) {
    const auto vocabulary = byte_vocabulary(random_tokens(++seed, 200));
    const auto constraint = std::make_shared<Constraint>(grammar, vocabulary);
    RandomStream random(seed);
    Matcher matcher(constraint);
    std::vector<std::int32_t> tokens;
    for (int step = 0; step < 120; ++step) {
      const std::size_t n_back = random.below(4);
      if (random.below(3) == 0 && n_back <= tokens.size()) {
        ASSERT_TRUE(matcher.rollback(n_back));
        tokens.resize(tokens.size() - n_back);
        Matcher replay(constraint);
        for (const std::int32_t token : tokens) ASSERT_TRUE(replay.accept_token(token));
        ASSERT_EQ(matcher.state(), replay.state());
      }
      const std::int32_t token = random_token(matcher.mask(), random);
      if (token < 0) continue;
      ASSERT_TRUE(matcher.accept_token(token));
      tokens.push_back(token);
    }
  }
}

TEST(Constraint, ForksAreIndependent) {
  const auto constraint =
      std::make_shared<Constraint>(share(compile_regex("ab*c")), byte_vocabulary());
  Matcher first(constraint);
  ASSERT_TRUE(first.accept_bytes("ab"));
  Matcher second = first;

  ASSERT_TRUE(second.accept_bytes("c"));

  EXPECT_TRUE(second.is_complete());
  EXPECT_FALSE(first.is_complete());
  EXPECT_FALSE(first.accept_bytes("a"));  // nothing changes
  EXPECT_TRUE(first.accept_bytes("bc"));
}

TEST(Constraint, AllowsEndIdsOnlyWhereComplete) {
  const auto constraint =
      std::make_shared<Constraint>(share(compile_regex("ab?")), byte_vocabulary());
  Matcher matcher(constraint);
  EXPECT_FALSE(matcher.mask().allows(256));
  EXPECT_FALSE(matcher.accept_token(256));
  ASSERT_TRUE(matcher.accept_token('a'));
  EXPECT_TRUE(matcher.mask().allows(256));
  ASSERT_TRUE(matcher.accept_token(256));

  EXPECT_TRUE(matcher.is_ended());
  EXPECT_EQ(matcher.mask().count(), 0u);
  EXPECT_FALSE(matcher.accept_token('b'));
  EXPECT_TRUE(matcher.rollback(1));
  EXPECT_TRUE(matcher.accept_token('b'));
}

TEST(Constraint, KeepsSpecialTokensApartFromTheirText) {
  GrammarBuilder builder;
  const RuleId root = builder.add_rule("root");
  builder.define_rule(root, builder.special_token("<special>", builder.literal("x", kReturn)));
  const auto grammar = share(std::move(builder).finish(root, "test"));
  const auto constraint =
      std::make_shared<Constraint>(grammar, byte_vocabulary({"<special>", "x"}));

  Matcher matcher(constraint);

  EXPECT_EQ(matcher.mask().count(), 1u);
  EXPECT_FALSE(matcher.accept_token(258));  // the same text as an ordinary token
  EXPECT_FALSE(matcher.accept_token(255));  // the byte that stands for "special" inside
  EXPECT_TRUE(matcher.accept_token(257));
  EXPECT_TRUE(matcher.accept_token(259));
  EXPECT_TRUE(matcher.is_complete());
}

// Whole characters, and perhaps the beginning of one more.
bool begins_utf8(std::string bytes) {
  for (int n_cut = 0; n_cut < 4; ++n_cut) {
    std::string again;
    bool is_valid = true;
    for (const char32_t c : decode_chars(bytes)) {
      is_valid &= c < 0xd800 || c > 0xdfff;
      append_utf8(again, c);
    }
    if (is_valid && again == bytes) return true;
    if (bytes.empty()) return false;
    bytes.pop_back();
  }
  return false;
}

TEST(Constraint, NeverAllowsInvalidUtf8) {
  const auto constraint = std::make_shared<Constraint>(
      share(compile_json_schema(R"({"type": "string"})", "schema")),
      byte_vocabulary({"\xc3", "\xa9", "\xed\xa0", "\xf0\x9f", "\xf4\x90", "\xe6\xbc"}));
  RandomStream random(5);
  for (int text = 0; text < 200; ++text) {
    Matcher matcher(constraint);
    std::string bytes;
    while (!matcher.is_ended() && bytes.size() < 60) {
      const std::int32_t token = random_token(matcher.mask(), random);
      ASSERT_GE(token, 0);
      ASSERT_TRUE(matcher.accept_token(token));
      if (token != 256) bytes += constraint->vocabulary().spelled(token);
    }
    ASSERT_TRUE(begins_utf8(bytes)) << bytes;
    ASSERT_FALSE(matcher.accept_bytes("\xc0\x80"));
    ASSERT_FALSE(matcher.accept_bytes("\xed\xa0\x80"));
    ASSERT_FALSE(matcher.accept_bytes("\xf5\x80\x80\x80"));
  }
}

TEST(Constraint, KnowsMasksOfStringsInAllSurroundings) {
  // Inside of a string without a pattern the set of configurations stays the same: one mask.
  const auto constraint = std::make_shared<Constraint>(
      share(compile_json_schema(R"({"type": "array", "items": {"type": "string"}})", "schema")),
      byte_vocabulary());
  Matcher matcher(constraint);
  ASSERT_TRUE(matcher.accept_bytes("[\"a"));
  matcher.mask();
  const std::size_t n_before = constraint->n_computed_masks();

  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(matcher.accept_token('a' + i % 26));
    matcher.mask();
  }

  EXPECT_EQ(constraint->n_computed_masks(), n_before);
}

TEST(Constraint, BoundsTheWorkOfAmbiguousGrammars) {
  // Every character may belong to any of the rounds: thousands of configurations.
  const auto grammar = share(compile_regex("(a|aa|aaa|[ab]{1,9}){0,300}(a|b){0,900}"));
  const auto constraint =
      std::make_shared<Constraint>(grammar, byte_vocabulary(random_tokens(9, 500)));
  Matcher matcher(constraint);
  ASSERT_TRUE(matcher.accept_bytes(std::string(200, 'a')));
  EXPECT_TRUE(matcher.mask().allows('a'));
  EXPECT_LE(matcher.state().configs.size(), kMaxConfigs);
}

TEST(TokenVocabulary, RejectsInconsistentLists) {
  EXPECT_FALSE(TokenVocabulary::create({{"a"}, {}, {}}).has_value());
  EXPECT_FALSE(TokenVocabulary::create({{"a"}, {false}, {1}}).has_value());
  EXPECT_FALSE(TokenVocabulary::create({{std::string(kMaxVocabTokenBytes + 1, 'a')}, {false}, {}})
                   .has_value());
  EXPECT_TRUE(TokenVocabulary::create({{"a", ""}, {false, false}, {1}}).has_value());
}

}  // namespace
}  // namespace hadal::grammar
