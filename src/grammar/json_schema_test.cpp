#include "grammar/json_schema.h"

#include "grammar/grammar_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace hadal::grammar {
namespace {

SharedGrammar compact(std::string_view schema) {
  return share(compile_json_schema(schema, "schema", {.space = JsonSpace::none}));
}

std::string refusal(std::string_view schema) {
  const auto grammar = compile_json_schema(schema, "schema");
  return grammar ? "no error" : grammar.error().message;
}

TEST(JsonSchema, WritesMembersInTheOrderOfTheSchema) {
  const SharedGrammar grammar = compact(R"({"type": "object", "properties": {"b": {"type": "null"},
      "a": {"type": "boolean"}, "c": {"type": "null"}}, "required": ["a", "d"]})");

  EXPECT_TRUE(accepts(grammar, R"({"b":null,"a":true,"c":null,"d":1})"));
  EXPECT_TRUE(accepts(grammar, R"({"a":true,"d":[]})"));
  EXPECT_TRUE(accepts(grammar, R"({"a":true,"d":[],"e":{},"dd":""})"));
  EXPECT_FALSE(accepts(grammar, R"({"a":true,"b":null,"d":1})"));
  EXPECT_FALSE(accepts(grammar, R"({"a":true})"));
  EXPECT_FALSE(accepts(grammar, R"({"a":true,"d":1,"b":null})"));
}

TEST(JsonSchema, KeepsEscapesFromHidingANamedMember) {
  const SharedGrammar grammar =
      compact(R"({"type": "object", "properties": {"a\"é\n": {"type": "null"}}})");

  EXPECT_TRUE(accepts(grammar, R"({"a\"é\n":null})"));
  EXPECT_FALSE(accepts(grammar, R"({"a\"é\n":1})"));
  EXPECT_FALSE(accepts(grammar, R"({"\u0061\"é\n":1})"));
  EXPECT_FALSE(accepts(grammar, R"({"a\"\u00e9\n":1})"));
  EXPECT_FALSE(accepts(grammar, R"({"a\"é\u000a":1})"));
  EXPECT_TRUE(accepts(grammar, R"({"a\"é":1,"b\\\u001f":2,"":3})"));
}

TEST(JsonSchema, WhiteSpaceFollowsTheOption) {
  constexpr std::string_view schema =
      R"({"type": "object", "properties": {"a": {"type": "array"}}})";
  const SharedGrammar none = share(compile_json_schema(schema, "s", {.space = JsonSpace::none}));
  const SharedGrammar single = share(compile_json_schema(schema, "s"));
  const SharedGrammar pretty =
      share(compile_json_schema(schema, "s", {.space = JsonSpace::pretty}));
  const struct {
    std::string_view text;
    bool none, single, pretty;
  } cases[] = {{R"({"a":[1,2],"b":1})", true, true, true},
               {R"({"a": [1, 2], "b": 1})", false, true, true},
               {R"({"a":  [1]})", false, false, false},
               {R"({ "a":[1]})", false, false, false},
               {"{\n  \"a\": [\n    1,\n    2\n  ]\n}", false, false, true},
               {"{\n\"a\": []}", false, false, true},
               {"{\"a\":[1\n]}", false, false, true},
               {"{}", true, true, true},
               {"{\n\n\"a\":[]}", false, false, false},
               {" {}", false, false, false}};
  for (const auto& c : cases) {
    EXPECT_EQ(accepts(none, c.text), c.none) << c.text;
    EXPECT_EQ(accepts(single, c.text), c.single) << c.text;
    EXPECT_EQ(accepts(pretty, c.text), c.pretty) << c.text;
  }
}

TEST(JsonSchema, ComparesNumbersDigitByDigit) {
  const std::pair<std::string_view, std::pair<double, double>> ranges[] = {
      {R"({"type": "integer", "minimum": -12, "maximum": 105})", {-12, 105}},
      {R"({"type": "integer", "exclusiveMinimum": 7, "maximum": 1200})", {8, 1200}},
      {R"({"type": "integer", "minimum": -0.5, "exclusiveMaximum": 10.5})", {0, 10}},
      {R"({"type": "integer", "maximum": -99})", {-1e9, -99}},
      {R"({"type": "integer", "minimum": 100})", {100, 1e9}}};
  for (const auto& [schema, range] : ranges) {
    const SharedGrammar grammar = compact(schema);
    for (int i = -1300; i <= 1300; ++i) {
      ASSERT_EQ(accepts(grammar, std::to_string(i)), i >= range.first && i <= range.second)
          << schema << ' ' << i;
    }
    EXPECT_FALSE(accepts(grammar, "-0") || accepts(grammar, "00") || accepts(grammar, "007"));
  }

  const struct {
    std::string_view schema;
    double low, high;
    bool low_exclusive, high_exclusive;
  } cases[] = {
      {R"({"type": "number", "minimum": -1.25, "exclusiveMaximum": 0.5})", -1.25, 0.5, false, true},
      {R"({"type": "number", "exclusiveMinimum": 0, "maximum": 2})", 0, 2, true, false},
      {R"({"type": "number", "minimum": 0.1, "maximum": 0.15})", 0.1, 0.15, false, false},
      {R"({"type": "number", "exclusiveMinimum": -2, "exclusiveMaximum": -1})", -2, -1, true, true},
      {R"({"type": "number", "minimum": 1.5})", 1.5, 1e9, false, false}};
  for (const auto& c : cases) {
    const SharedGrammar grammar = compact(c.schema);
    for (int i = -2500; i <= 2500; ++i) {
      const double value = i / 1000.0;
      const bool above = c.low_exclusive ? value > c.low : value >= c.low;
      const bool below = c.high_exclusive ? value < c.high : value <= c.high;
      const std::string text = fmt::format("{}", value);
      ASSERT_EQ(accepts(grammar, text), above && below) << c.schema << ' ' << text;
      if (value != 0) {
        ASSERT_EQ(accepts(grammar, fmt::format("{:.5f}", value)), above && below)
            << c.schema << ' ' << value;
      }
    }
  }
}

TEST(JsonSchema, AsksPatternsAndLengthsOfOneString) {
  const SharedGrammar grammar = compact(
      R"({"type": "string", "pattern": "^[a-c\"é]*$", "minLength": 2, "maxLength": 3,
          "allOf": [{"pattern": "b"}]})");

  EXPECT_TRUE(accepts(grammar, R"("ab")"));
  EXPECT_TRUE(accepts(grammar, R"("é\"b")"));
  EXPECT_FALSE(accepts(grammar, R"("b")"));
  EXPECT_FALSE(accepts(grammar, R"("aa")"));
  EXPECT_FALSE(accepts(grammar, R"("abab")"));
  EXPECT_FALSE(accepts(grammar, R"("\u0062a")"));  // one spelling only
}

TEST(JsonSchema, FollowsRecursion) {
  const SharedGrammar grammar = compact(
      R"({"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"},
          "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
          "required": ["v", "next"], "additionalProperties": false}}, "$ref": "#/$defs/node"})");
  std::string text = "null";
  for (int i = 0; i < 300; ++i) text = "{\"v\":1,\"next\":" + text + "}";

  EXPECT_TRUE(accepts(grammar, text));
  EXPECT_FALSE(accepts(grammar, text + "}"));
}

TEST(JsonSchema, ChoosesBranchesTogetherWithWhatStandsBeside) {
  const SharedGrammar grammar = compact(
      R"({"type": "object", "properties": {"kind": {"enum": ["a", "b", "c"]}},
          "required": ["kind"], "additionalProperties": false, "oneOf": [
          {"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
          {"properties": {"kind": {"const": "b"}}, "required": ["kind"]}]})");

  EXPECT_TRUE(accepts(grammar, R"({"kind":"a"})"));
  EXPECT_TRUE(accepts(grammar, R"({"kind":"b"})"));
  EXPECT_FALSE(accepts(grammar, R"({"kind":"c"})"));
}

TEST(JsonSchema, RefusesByNameAndPlace) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"properties": {"a/b": {"not": {}}}})", "#/properties/a~1b: 'not'"},
      {R"({"uniqueItems": true})", "'uniqueItems'"},
      {R"({"if": {}, "then": false})", "'if'"},
      {R"({"oneOf": [{"type": "string"}, {"maxLength": 2}]})", "branches 0 and 1"},
      {R"({"type": "integer", "multipleOf": 3})", "'multipleOf'"},
      {R"({"$ref": "https://example.com/x"})", "'$ref'"},
      {R"({"$ref": "#/nowhere"})", "nothing stands there"},
      {R"({"$ref": "#"})", "leads back to this schema"},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]},
          "b": {"$ref": "#/$defs/a"}}})",
       "leads back"},
      {R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})", "left recursion"},
      {R"({"type": "object", "anyOf": [{"$ref": "#"}, {"type": "object"}]})", "is a branch"},
      {R"({"type": "text"})", "'type': expected null, boolean"},
      {R"({"minLength": -1})", "'minLength': expected a whole number"},
      {R"j({"pattern": "(?=a)"})j", "look-around"},
      {R"({"pattern": "("})", "not closed"},
      {R"({"items": [{}]})", "expected a schema"},
      {R"({"$schema": "https://example.com/mine"})", "'$schema'"},
      {R"({"type": "object", "minProperties": 3})", "'minProperties'"},
      {R"([1])", "expected a schema"},
      {R"({)", "line 1"},
      {R"({"type": "string", "type": "null"})", "twice"},
      {R"({"type": "integer", "minimum": 5, "maximum": 4})", "nothing can match"},
      {R"({"enum": ["a"], "type": "null"})", "nothing can match"},
      {R"({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}})",
       "nothing can match"}};
  for (const auto& [schema, reason] : cases) {
    const std::string message = refusal(schema);
    EXPECT_NE(message.find(reason), std::string::npos) << schema << ": " << message;
    EXPECT_TRUE(message.starts_with("schema: ")) << message;
  }
}

TEST(JsonSchema, IgnoresAnnotationsAndUnknownKeywords) {
  const SharedGrammar grammar = compact(
      R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "title": "t",
          "description": "d", "default": 1, "examples": [2], "deprecated": true, "x-mine": {},
          "type": "string", "format": "no-such-format", "$comment": "c", "contentEncoding": "b"})");
  EXPECT_TRUE(accepts(grammar, R"("any")"));
}

std::string many(int n, const char* format, const char* separator = ",") {
  std::string text;
  for (int i = 0; i < n; ++i) {
    if (i > 0) text += separator;
    text += fmt::format(fmt::runtime(format), i);
  }
  return text;
}

TEST(JsonSchema, BoundsHostileSchemas) {
  std::string deep = "{}", chain, doubling = "{";
  for (int i = 0; i < 5000; ++i) deep = R"({"items":)" + deep + "}";
  for (int i = 0; i < 40; ++i)
    doubling +=
        fmt::format(R"("a{}":{{"allOf":[{{"anyOf":[{{"$ref":"#/$defs/a{}"}},{{"minimum":{}}}]}},)"
                    R"({{"anyOf":[{{"$ref":"#/$defs/a{}"}},{{"maximum":{}}}]}}]}},)",
                    i, i + 1, i, i + 1, i);
  doubling += R"("a40":{"type":"number"}})";
  const std::string cases[] = {
      deep,
      R"({"$ref":"#/$defs/a0","$defs":)" + doubling + "}",
      R"({"type":"object","properties":{)" + many(5000, R"("p{}":{{}})") + "}}",
      R"({"allOf":[)" + many(5000, R"({{"minLength":{}}})") + "]}",
      R"({"oneOf":[)" +
          many(5000,
               R"({{"type":"object","properties":{{"k":{{"const":{}}}}},"required":["k"]}})") +
          "]}",
      R"({"type":"string","pattern":"a","maxLength":1000000})",
      R"({"type":"string","pattern":"(((a{99}){99}){99}){99}"})",
      R"({"$ref":"#/$defs/a0","$defs":{)" +
          [] {
            std::string text;
            for (int i = 0; i < 9000; ++i)
              text += fmt::format(
                  R"("a{}":{{"anyOf":[{{"$ref":"#/$defs/a{}"}},{{"type":"null"}}]}},)", i, i + 1);
            return text + R"("a9000":{"type":"string"}}})";
          }(),
      std::string(3'000'000, ' '),
  };
  for (const std::string& schema : cases) {
    const std::string message = refusal(schema);
    EXPECT_NE(message, "no error") << schema.substr(0, 80);
    EXPECT_LT(message.size(), 1000u);
  }
}

TEST(JsonSchema, TakesLargeOnesWithinTheLimits) {
  const SharedGrammar names = compact(R"({"enum":[)" + many(60'000, R"("value {}")") + "]}");
  EXPECT_TRUE(accepts(names, R"("value 59999")"));
  EXPECT_FALSE(accepts(names, R"("value 60000")"));

  const SharedGrammar members = compact(R"({"type":"object","properties":{)" +
                                        many(1000, R"("p{}":{{"type":"null"}})") + "}}");
  EXPECT_TRUE(accepts(members, R"({"p7":null,"p999":null,"q":1})"));
  EXPECT_FALSE(accepts(members, R"({"p7":null,"p999":1})"));
  const auto constraint = std::make_shared<Constraint>(members, byte_vocabulary());
  EXPECT_TRUE(Matcher(constraint).mask().allows('{'));

  const SharedGrammar counts = compact(R"({"type":"array","items":{"type":"string","maxLength":
      1000000000},"minItems":4000000000})");
  EXPECT_TRUE(accepts_prefix(counts, R"(["a","b")"));
  EXPECT_FALSE(accepts_prefix(counts, R"(["a"])"));
}

TEST(JsonSchema, AnyObjectIsAnObject) {
  const SharedGrammar grammar = share(compile_json_object());
  EXPECT_TRUE(accepts(grammar, R"({"a": [1, 2.5e3, {"b": null}], "": "\ud83d\ude00é"})"));
  EXPECT_FALSE(accepts(grammar, "[]"));
  EXPECT_FALSE(accepts(grammar, R"({"a": "\ud83d"})"));
  EXPECT_FALSE(accepts(grammar, R"({"a": 01})"));
}

}  // namespace
}  // namespace hadal::grammar
