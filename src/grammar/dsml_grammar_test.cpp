#include "grammar/dsml_grammar.h"

#include "grammar/grammar_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace hadal::grammar {
namespace {

using Json = nlohmann::ordered_json;

// The text as the automaton reads it: ~ stands for the special DSML token, ^ for </think>.
std::string spelled(std::string_view text) {
  std::string bytes;
  for (const char c : text) {
    if (c == '~' || c == '^') {
      bytes += static_cast<char>(kSpecialBegin);
      bytes += c == '~' ? kDsmlToken : std::string_view("</think>");
      bytes += static_cast<char>(kSpecialEnd);
    } else {
      bytes += c;
    }
  }
  return bytes;
}

const Json kWeather = Json::parse(R"({"type": "object", "properties": {
    "location": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 1},
    "units": {"anyOf": [{"enum": ["C", "F"]}, {"type": "null"}]}}, "required": ["location"]})");
const Json kNothing = Json::parse(R"({"type": "object", "properties": {}})");

std::vector<DsmlTool> tools() {
  return {{"get_weather", &kWeather}, {"noop", &kNothing}};
}

constexpr std::string_view kBlock =
    "\n\n<~tool_calls>\n"
    "<~invoke name=\"get_weather\">\n"
    "<~parameter name=\"location\" string=\"true\">Bei \"jing\" </b>é</~parameter>\n"
    "<~parameter name=\"days\" string=\"false\">3</~parameter>\n"
    "</~invoke>\n"
    "</~tool_calls>";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  HADAL_CHECK(at != std::string::npos, "a test replaces what is not there");
  return text.replace(at, from.size(), to);
}

TEST(DsmlGrammar, TakesTextThenOneBlock) {
  const auto grammar = share(compile_dsml(tools(), {}));
  const std::string block(kBlock);

  EXPECT_TRUE(accepts(grammar, spelled("")));
  EXPECT_TRUE(accepts(grammar, spelled("Just text. <b>\n\n<")));
  EXPECT_TRUE(accepts(grammar, spelled(block)));
  EXPECT_TRUE(accepts(grammar, spelled("Let me look." + block)));
  EXPECT_FALSE(accepts_prefix(grammar, spelled(block + "x")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("~")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("<~think>")));
}

TEST(DsmlGrammar, HoldsTheTextOfACustomToolToItsGrammar) {
  using Syntax = InputGrammar::Syntax;
  const InputGrammar lark{Syntax::lark, "input", "start: \"move \" /[a-h][1-8]/ LF?\nLF: /\\n/"};
  const InputGrammar regex{Syntax::regex, "input", "[0-9]{2}"};
  const std::vector<DsmlTool> tools = {{"chess", &kNothing, false, lark},
                                       {"number", nullptr, false, regex}};
  const auto grammar = share(compile_dsml(tools, {}));
  const auto call = [](std::string_view name, std::string_view text) {
    return spelled(
        fmt::format("\n\n<~tool_calls>\n<~invoke name=\"{}\">\n<~parameter name=\"input\" "
                    "string=\"true\">{}</~parameter>\n</~invoke>\n</~tool_calls>",
                    name, text));
  };

  for (const auto& [name, text] :
       {std::pair("chess", "move e4"), std::pair("chess", "move a1\n"), std::pair("number", "42")})
    EXPECT_TRUE(accepts(grammar, call(name, text))) << text;
  for (const auto& [name, text] : {std::pair("chess", "move e9"), std::pair("chess", "42"),
                                   std::pair("number", "421"), std::pair("number", "")})
    EXPECT_FALSE(accepts(grammar, call(name, text))) << text;
  const std::vector<DsmlTool> bad = {
      {"chess", nullptr, false, InputGrammar{Syntax::lark, "input", "x"}}};
  const std::vector<DsmlTool> recursive = {
      {"chess", nullptr, false, InputGrammar{Syntax::lark, "input", "start: start \"a\" | \"b\""}}};
  const auto left = compile_dsml(recursive, {});
  ASSERT_FALSE(left);
  EXPECT_NE(left.error().message.find("rule 'start' of grammar of tool 'chess'"), std::string::npos)
      << left.error().message;
  const auto refused = compile_dsml(bad, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("grammar of tool 'chess': line 1"), std::string::npos)
      << refused.error().message;
}

TEST(DsmlGrammar, HoldsNamesAndParametersToTheSchemas) {
  const auto grammar = share(compile_dsml(tools(), {}));
  const std::string block(kBlock);
  const std::pair<std::string, bool> cases[] = {
      {replaced(block, "get_weather", "get_time"), false},
      {replaced(block, ">3<", ">0<"), false},
      {replaced(block, ">3<", ">\"3\"<"), false},
      {replaced(block, "string=\"false\">3", "string=\"true\">3"), false},
      {replaced(block, "\"true\"", "\"false\""), false},
      {replaced(block, "Bei \"jing\" </b>é", ""), false},
      {replaced(block, "days\" string=\"false\">3", "units\" string=\"true\">C"), true},
      {replaced(block, "days\" string=\"false\">3", "units\" string=\"true\">K"), false},
      {replaced(block, "days\" string=\"false\">3", "units\" string=\"false\">null"), true},
      {replaced(block, "days\"", "location\""), false},
      {replaced(block,
                "<~parameter name=\"location\" string=\"true\">Bei \"jing\" </b>é</~parameter>\n",
                ""),
       false},
      {"\n\n<~tool_calls>\n<~invoke name=\"get_weather\">\n\n</~invoke>\n</~tool_calls>", false},
      {replaced(block, "<~parameter name=\"days\" string=\"false\">3</~parameter>\n", ""), true},
      {replaced(block, "</~invoke>\n", "</~invoke>\n<~invoke name=\"noop\">\n\n</~invoke>\n"),
       true}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(accepts(grammar, spelled(text)), expected) << text;
}

TEST(DsmlGrammar, FreeToolsTakeAnyParametersInTheForm) {
  const std::vector<DsmlTool> free = {{"run", nullptr, true}, {"noop", nullptr}};
  DsmlOptions options;
  options.use = ToolUse::required;
  const auto grammar = share(compile_dsml(free, options));
  const auto call = [](std::string_view tool, std::string_view lines) {
    return spelled(
        fmt::format("\n\n<~tool_calls>\n<~invoke name=\"{}\">\n{}\n</~invoke>\n"
                    "</~tool_calls>",
                    tool, lines));
  };
  const std::string text = "<~parameter name=\"a b\" string=\"true\">x \"y\"\n<z</~parameter>";
  const std::string json =
      "<~parameter name=\"n\" string=\"false\">{\"k\": [1, null]}</~parameter>";

  EXPECT_TRUE(accepts(grammar, call("run", "")));
  EXPECT_TRUE(accepts(grammar, call("run", text)));
  EXPECT_TRUE(accepts(grammar, call("run", json + "\n" + text)));
  EXPECT_FALSE(accepts(grammar, call("noop", text))) << "its neighbour is held to its schema";
  EXPECT_FALSE(accepts(grammar, call("ran", text)));
  EXPECT_FALSE(accepts(
      grammar, call("run", "<~parameter name=\"n\" string=\"false\">{\"k\": </~parameter>")));
  EXPECT_FALSE(
      accepts(grammar, call("run", "<~parameter name=\"\" string=\"true\">x</~parameter>")));
}

TEST(DsmlGrammar, ForcesTheBlockWhenRequired) {
  const std::vector<DsmlTool> noop = {{"noop", nullptr}};
  const auto grammar = share(compile_dsml(
      noop, {.use = ToolUse::required, .one_call_only = true, .reasoning_end = "</think>"}));
  const std::string call = "<~invoke name=\"noop\">\n\n</~invoke>\n";
  const std::string block = "\n\n<~tool_calls>\n" + call + "</~tool_calls>";

  EXPECT_TRUE(accepts(grammar, spelled("Hm.^" + block)));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("Hm.^text")));
  EXPECT_FALSE(accepts(grammar, spelled("Hm.^")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("^\n\n<~tool_calls>\n" + call + call)));
}

TEST(DsmlGrammar, AnOutputFormatLeavesTheSchemaOrCalls) {
  const Json schema = Json::parse(R"({"type": "object", "properties": {
      "answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": false})");
  DsmlOptions options;
  options.content = &schema;
  options.reasoning_end = "</think>";
  const auto grammar = share(compile_dsml(tools(), options));
  const std::string block(kBlock);
  const std::string json = R"({"answer": "3"})";

  EXPECT_TRUE(accepts(grammar, spelled("Hm.^" + json)));
  EXPECT_TRUE(accepts(grammar, spelled("Hm.^" + block)));
  EXPECT_FALSE(accepts(grammar, spelled("Hm.^")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("^text")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("^{\"other\"")));
  EXPECT_FALSE(accepts_prefix(grammar, spelled("^" + json + block)));

  const Json refused = Json::parse(R"({"not": {"type": "string"}})");
  options.content = &refused;
  options.content_field = "text.format.schema";
  const auto error = compile_dsml(tools(), options);
  ASSERT_FALSE(error.has_value());
  EXPECT_NE(error.error().message.find("text.format.schema"), std::string::npos)
      << error.error().message;
}

TEST(DsmlGrammar, RefusesWhatATagCannotHold) {
  EXPECT_FALSE(compile_dsml({}, {}).has_value());
  const std::vector<DsmlTool> bad = {{"a\"b", nullptr}};
  EXPECT_FALSE(compile_dsml(bad, {}).has_value());
  const Json schema = Json::parse(R"({"anyOf": [{"type": "object"}]})");
  const std::vector<DsmlTool> any = {{"a", &schema}};
  const auto grammar = compile_dsml(any, {});
  ASSERT_FALSE(grammar.has_value());
  EXPECT_NE(grammar.error().message.find("anyOf"), std::string::npos);
}

}  // namespace
}  // namespace hadal::grammar
