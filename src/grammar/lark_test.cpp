#include "grammar/lark.h"

#include "grammar/grammar_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace hadal::grammar {
namespace {

// Lark refuses terminals that may be empty; Codex's grammar has them, and OpenAI's server takes it.
TEST(Lark, TakesTerminalsThatMayBeEmpty) {
  const auto grammar = share(compile_lark(R"(
start: "*** Begin Patch" LF update_hunk+ "*** End Patch" LF?
update_hunk: "*** Update File: " filename LF change?
filename: /(.+)/
change: (change_context | change_line)+
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF

%import common.LF
)",
                                          "test"));

  EXPECT_TRUE(
      accepts(grammar, "*** Begin Patch\n*** Update File: a\n@@\n+\n-x\r\n \n*** End Patch"));
  EXPECT_FALSE(accepts_prefix(grammar, "*** Begin Patch\n*** Update File: a\nx"));
}

TEST(Lark, IgnoresBetweenTerminalsAlone) {
  const auto grammar = share(compile_lark(
      "start: A b\nb: \"b\" A*\nA: \"x\" \"y\"\n%ignore \" \"\n%ignore /#[^\\n]*\\n/\n", "test"));

  for (const std::string_view text : {"xyb", " xy  b", "xy#c\nb xy xy ", "xyb#\n"})
    EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const std::string_view text : {"x yb", "xyb#", "xy"})
    EXPECT_FALSE(accepts(grammar, text)) << text;
}

TEST(Lark, SaysWhatItDoesNotTakeAndWhere) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"start: \"a\"\n  x", "line 2, column 4: expected ':'"},
      {"start: b\n", "line 1, column 8: 'b' is not defined"},
      {"start: \"\u00e9\"i\n", "a string with i and characters beyond ASCII"},
      {"start: \"a\"..\"z\"i\n", "a range that ignores case"},
      {"start: /\\012/\n", "an octal escape"},
      {"start: \"a\"**\n", "a repetition of a repetition"},
      {"start: \"a\" ~ 3..2\n", "expected ~ n or ~ n..m"},
      {"start: A\nA: /[/\n", "line 2, column 4"},
      {"%import python.NAME\nstart: NAME\n", "an import that is not from common"},
      {"%import common.NAME\nstart: NAME\n", "common has no terminal 'NAME'"},
      {"%extend start: \"a\"\n", "%extend is not supported"},
      {"start: sep{\"a\"}\n", "a template is not supported"},
      {"start: start \"a\" | \"b\"\n", "left recursion: rule 'start' of test"},
      {"start: /a/i\n", "the flag i"},
      {"start: /^a/\n", "'^' or '$'"},
      {"", "there is no rule 'start'"}};
  for (const auto& [text, reason] : cases) {
    const auto grammar = compile_lark(text, "test");
    ASSERT_FALSE(grammar.has_value()) << text;
    EXPECT_NE(grammar.error().message.find(reason), std::string::npos) << grammar.error().message;
  }
}

TEST(Lark, BoundsHostileTexts) {
  std::string long_ones = "start:";
  for (int i = 0; i < 3000; ++i) long_ones += fmt::format(" /a{{9999}}b{{{}}}/", i);
  for (const std::string& text :
       {long_ones, "start: " + std::string(100'000, '('), std::string(2'000'000, 'a'),
        std::string("start: \"a\" ~ 99999999"), std::string("start: (\"a\"?) ~ 2..1000"),
        "start: " + std::string(1000, '[') + "\"a\"" + std::string(1000, ']')})
    EXPECT_FALSE(compile_lark(text, "test").has_value()) << text.substr(0, 40);
}

}  // namespace
}  // namespace hadal::grammar
