#include "grammar/gbnf.h"

#include "grammar/grammar_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace hadal::grammar {
namespace {

TEST(Gbnf, ReadsWhatItsDocumentationShows) {
  const SharedGrammar grammar = share(compile_gbnf(R"(
# a list of moves
root  ::= ("1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+)
move  ::= (pawn | nonpawn |
           castle) [+#]?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]   # a comment
pawn  ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
)",
                                                   "test"));

  EXPECT_TRUE(accepts(grammar, "1. e4 e5\n2. Nf3 Nc6\n10. O-O-O exd8=Q+\n"));
  EXPECT_FALSE(accepts(grammar, "1. e4 e5\n"));
  EXPECT_FALSE(accepts(grammar, "1. e9 e5\n2. Nf3 Nc6\n"));
}

TEST(Gbnf, CountsRepetitions) {
  const SharedGrammar grammar =
      share(compile_gbnf("root ::= \"a\"{2} [bc]{1,3} (\"d\" | root2){2,} \"e\"{0,1}\n"
                         "root2 ::= \"f\"{0,0} \"g\"",
                         "test"));
  const std::pair<std::string_view, bool> cases[] = {
      {"aabdd", true},    {"aabcbdgde", true},   {"abdd", false},
      {"aaadd", false},   {"aabd", false},       {"aabbbbdd", false},
      {"aabddee", false}, {"aabgggggggg", true}, {"aabfgfg", false}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(accepts(grammar, text), expected) << text;
}

TEST(Gbnf, NestsWithoutEnd) {
  const SharedGrammar grammar = share(compile_gbnf("root ::= \"(\" root* \")\"", "test"));
  std::string deep(5000, '(');
  EXPECT_TRUE(accepts_prefix(grammar, deep));
  EXPECT_FALSE(accepts(grammar, deep));
  deep += std::string(5000, ')');

  EXPECT_TRUE(accepts(grammar, deep));
  EXPECT_FALSE(accepts_prefix(grammar, deep + ")"));
}

TEST(Gbnf, ReadsEscapes) {
  const SharedGrammar grammar =
      share(compile_gbnf(R"(root ::= "\"\\\n\t\x41\u00e9\U0001F600" [\]\-\x61] [^\n] .)", "test"));
  EXPECT_TRUE(accepts(grammar, "\"\\\n\tAé😀]é漢"));
  EXPECT_TRUE(accepts(grammar, "\"\\\n\tAé😀-xx"));
  EXPECT_FALSE(accepts(grammar, "\"\\\n\tAé😀b漢x"));
  EXPECT_FALSE(accepts(grammar, "\"\\\n\tAé😀a\nx"));
}

TEST(Gbnf, RefusesLeftRecursion) {
  for (const std::string_view text :
       {"root ::= root \"a\" | \"b\"", "root ::= x\nx ::= y* x \"a\" | \"c\"\ny ::= \"d\"",
        "root ::= x \"a\" | \"b\"\nx ::= \"\" root \"c\"",
        "root ::= x? root \"a\" | \"z\"\nx ::= \"y\""}) {
    const auto grammar = compile_gbnf(text, "test");
    ASSERT_FALSE(grammar.has_value()) << text;
    EXPECT_NE(grammar.error().message.find("left recursion"), std::string::npos)
        << grammar.error().message;
  }
}

TEST(Gbnf, RefusesWhatNothingMatches) {
  const auto grammar = compile_gbnf("root ::= \"a\" root", "test");
  ASSERT_FALSE(grammar.has_value());
  EXPECT_EQ(grammar.error().code, ErrorCode::invalid_argument);
}

TEST(Gbnf, RejectsBadSyntaxWithItsPlace) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "no rule 'root'"},
      {"root = \"a\"", "line 1, column 6: expected '::='"},
      {"root ::= \"a", "a literal is not closed"},
      {"root ::= \"a\"\nx ::= [a", "line 2"},
      {"root ::= (\"a\"", "expected ')'"},
      {"root ::= \"a\")", "expected the end of the line"},
      {"root ::= b", "rule 'b' is not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "defined twice"},
      {"root ::= \"a\"{3,2}", "m <= n"},
      {"root ::= \"a\"**", "use parentheses"},
      {"root ::= \"\\q\"", "unknown escape"},
      {"root ::= \"\\uD800\"", "not a character"},
      {"root ::= [b-a]", "backwards"},
      {"root ::= *", "expected a literal"},
      {"root ::= \"a\\", "unknown escape"}};
  for (const auto& [text, reason] : cases) {
    const auto grammar = compile_gbnf(text, "test");
    ASSERT_FALSE(grammar.has_value()) << text;
    EXPECT_EQ(grammar.error().code, ErrorCode::bad_format);
    EXPECT_NE(grammar.error().message.find(reason), std::string::npos) << grammar.error().message;
  }
}

TEST(Gbnf, BoundsHostileTexts) {
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 6000; ++i) chain += fmt::format("r{} ::= r{} \"x\"\n", i, i + 1);
  chain += "r6000 ::= \"a\"\n";
  for (const std::string& text :
       {std::string("root ::= ") + std::string(100'000, '('), std::string(2'000'000, 'a'), chain,
        std::string("root ::= (\"a\"?){2,1000}"), std::string("root ::= \"a\"{99999999}")}) {
    EXPECT_FALSE(compile_gbnf(text, "test").has_value()) << text.substr(0, 40);
  }
}

TEST(Gbnf, CutsExponentialAlternativesButStaysAlive) {
  // 2^40 ways to nest before the first byte.
  std::string text = "root ::= r0\n";
  for (int i = 0; i < 40; ++i)
    text += fmt::format("r{} ::= r{} \"x\" | r{} \"y\"\n", i, i + 1, i + 1);
  text += "r40 ::= \"a\"\n";
  const auto constraint =
      std::make_shared<Constraint>(share(compile_gbnf(text, "test")), byte_vocabulary());
  Matcher matcher(constraint);
  RandomStream random(1);
  int n_steps = 0;
  while (!matcher.is_ended() && n_steps < 100) {
    const std::int32_t token = random_token(matcher.mask(), random);
    ASSERT_GE(token, 0);
    ASSERT_TRUE(matcher.accept_token(token));
    ++n_steps;
  }
  EXPECT_EQ(n_steps, 42);  // "a", forty of x and y, the end
}

}  // namespace
}  // namespace hadal::grammar
