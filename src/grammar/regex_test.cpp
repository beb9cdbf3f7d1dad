// Regular expressions against PCRE2, on random strings.
#define PCRE2_CODE_UNIT_WIDTH 8

#include "grammar/regex.h"

#include "grammar/grammar_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace hadal::grammar {
namespace {

class Pcre2 {
 public:
  // Only \r and \n end a line for '.', as far as these tests' strings go: as in ECMA-262.
  Pcre2(std::string_view pattern, std::uint32_t options) {
    std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
        pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_ANYCRLF);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(bytes(pattern), pattern.size(),
                              PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | options, &error, &offset,
                              context.get()));
    HADAL_CHECK(code_ != nullptr, "PCRE2 refuses a pattern of this test");
    match_.reset(pcre2_match_data_create(1, nullptr));
  }

  bool matches(std::string_view text) const {
    return pcre2_match(code_.get(), bytes(text), text.size(), 0, 0, match_.get(), nullptr) >= 0;
  }

 private:
  static PCRE2_SPTR bytes(std::string_view text) {
    return reinterpret_cast<PCRE2_SPTR>(text.data());
  }
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

constexpr std::array<std::string_view, 40> kPatterns = {
    "",
    "abc",
    "a*",
    "a+b?c",
    "(ab|ba)*",
    "[a-c]{2,4}",
    "[^a-c]+",
    "a{0}b",
    "a{3}",
    "(a|b){2,}c",
    "(?:a(?:b(?:c)?)?)?",
    ".",
    ".*a.*",
    "\\d+",
    "\\D\\w\\W",
    "[\\d-]+",
    "[a\\-c]+",
    "[-a]b",
    "(a*)*",
    "(a*|b)*c",
    "((a?){3}b){2}",
    "a|b|",
    "\\x61\\.",
    "\\$\\^\\{",
    "[é-ü]+",
    "[^é]",
    "漢|é",
    "(a|ab)(c|bcd)(d*)",
    "[.]a",
    "a*?b+?",
    "(?<name>a)b",
    "1{1,3}2",
    "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
    "\\t|\\n",
    "(a|b|c|1)*1(a|b|c|1){3}",
    "(a{1,2}){2,3}",
    "(b?c?){2}a",
    "[]a]|a",  // ECMA-262: [] is the empty class; PCRE2 reads it otherwise: skipped below
    "(ab?){0,5}c{0,2}",
    "a{2}b{2}|c",
};

std::string random_text(RandomStream& random) {
  const std::array<std::string_view, 20> bits = {"a",  "b", "c", "d", "ab", "1", "2",
                                                 ".",  "-", "_", " ", "\n", "é", "ü",
                                                 "漢", "$", "^", "{", "]",  "\t"};
  std::string text;
  for (std::uint32_t n = random.below(8); n > 0; --n)
    text += bits[random.below(random.below(2) ? 6 : static_cast<std::uint32_t>(bits.size()))];
  return text;
}

TEST(Regex, AgreesWithPcre2OnWholeTexts) {
  RandomStream random(1);
  std::size_t n_matches = 0;
  for (const std::string_view pattern : kPatterns) {
    if (pattern == "[]a]|a") continue;
    const Pcre2 oracle(pattern, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
    const SharedGrammar grammar = share(compile_regex(pattern));
    for (int i = 0; i < 300; ++i) {
      const std::string text = random_text(random);
      const bool expected = oracle.matches(text);
      n_matches += expected ? 1 : 0;
      ASSERT_EQ(accepts(grammar, text), expected) << pattern << " on \"" << text << '"';
    }
  }
  EXPECT_GT(n_matches, 500u);  // the strings are not all misses
}

TEST(Regex, AgreesWithPcre2AnywhereInTexts) {
  RandomStream random(2);
  for (const std::string_view inner : kPatterns) {
    if (inner == "[]a]|a") continue;
    for (const std::string& pattern : {fmt::format("{}", inner), fmt::format("^{}", inner),
                                       fmt::format("{}$", inner), fmt::format("^{}$", inner)}) {
      const Pcre2 oracle(pattern, 0);
      const auto nfa = compile_regex_nfa(pattern, RegexMatch::anywhere);
      ASSERT_TRUE(nfa.has_value()) << nfa.error().message;
      for (int i = 0; i < 60; ++i) {
        const std::string text = random_text(random);
        ASSERT_EQ(nfa_accepts(*nfa, text), oracle.matches(text))
            << pattern << " on \"" << text << '"';
      }
    }
  }
}

TEST(Regex, IntersectsAsBothMatch) {
  RandomStream random(3);
  for (std::size_t i = 0; i + 1 < kPatterns.size(); ++i) {
    const auto a = compile_regex_nfa(kPatterns[i], RegexMatch::whole);
    const auto b = compile_regex_nfa(kPatterns[i + 1], RegexMatch::anywhere);
    const auto both = intersect(*a, *b);
    ASSERT_TRUE(both.has_value());
    for (int k = 0; k < 100; ++k) {
      const std::string text = random_text(random);
      ASSERT_EQ(nfa_accepts(*both, text), nfa_accepts(*a, text) && nfa_accepts(*b, text))
          << kPatterns[i] << " & " << kPatterns[i + 1] << " on " << text;
    }
  }
}

TEST(Regex, ReadsEscapesOfCharacters) {
  const SharedGrammar grammar = share(compile_regex("\\u00e9\\u{1F600}\\ud83d\\ude00\\cJ\\0"));

  EXPECT_TRUE(accepts(grammar, std::string_view("é😀😀\n\0", 12)));
}

TEST(Regex, RefusesWhatItCannotDoByName) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"(?=a)", "look-around"},
                                                                 {"(?<!a)b", "look-around"},
                                                                 {"(a)\\1", "back-references"},
                                                                 {"\\bword\\b", "word boundaries"},
                                                                 {"\\p{L}", "Unicode properties"},
                                                                 {"(?i)a", "flags"},
                                                                 {"a^b", "away from the start"},
                                                                 {"(a$)", "inside of a group"},
                                                                 {"a$b", "away from"}};
  for (const auto& [pattern, reason] : cases) {
    const auto grammar = compile_regex(pattern);
    ASSERT_FALSE(grammar.has_value()) << pattern;
    EXPECT_EQ(grammar.error().code, ErrorCode::unsupported);
    EXPECT_NE(grammar.error().message.find(reason), std::string::npos) << grammar.error().message;
  }
}

TEST(Regex, RejectsBadSyntax) {
  for (const std::string_view pattern :
       {"(", ")", "a)", "[a", "*a", "a**", "a{2,1}", "a{x}", "\\", "\\q", "[b-a]", "\\x1", "(?:a",
        "\\u{110000}", "a{1", "[\\d-z]"}) {
    const auto grammar = compile_regex(pattern);
    ASSERT_FALSE(grammar.has_value()) << pattern;
    EXPECT_EQ(grammar.error().code, ErrorCode::bad_format) << grammar.error().message;
  }
}

TEST(Regex, BoundsHostilePatterns) {
  std::string deep(10'000, '(');
  std::string wide;
  for (int i = 0; i < 2000; ++i) wide += "(a|";
  for (const std::string& pattern :
       {deep, wide, std::string("((((a{100}){100}){100}){100}){100}"),
        std::string("(((a?){100}){100}){100}"), std::string("(a{9999}|b{9999}|c{9999}){2}"),
        std::string(100'000, 'a'), std::string("a{99999999999}")}) {
    EXPECT_FALSE(compile_regex(pattern).has_value()) << pattern.substr(0, 40);
  }
}

}  // namespace
}  // namespace hadal::grammar
