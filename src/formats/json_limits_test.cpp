#include "formats/json_limits.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace hadal {
namespace {

std::string message_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto json = parse_json(text, "x.json", limits);
  const auto ordered = parse_ordered_json(text, "x.json", limits);
  EXPECT_FALSE(json) << text;
  EXPECT_FALSE(ordered) << text;
  if (json || ordered) return {};
  return json.error().message;
}

TEST(JsonLimits, builds_the_same_tree_as_the_library) {
  const std::string text =
      R"( {"b": [1, -2, 2.5, true, false, null, "é\n\u4e16"], "a": {"x": {}, "y": []}, "": 18446744073709551615} )";
  const auto json = parse_json(text, "x.json");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(*json, nlohmann::json::parse(text));
  const auto ordered = parse_ordered_json(text, "x.json");
  ASSERT_TRUE(ordered) << ordered.error().message;
  EXPECT_EQ(*ordered, nlohmann::ordered_json::parse(text));
  EXPECT_EQ(ordered->begin().key(), "b");
}

TEST(JsonLimits, scalars_are_values_too) {
  EXPECT_EQ(*parse_json("3", "x.json"), 3);
  EXPECT_EQ(*parse_json("\"s\"", "x.json"), "s");
}

TEST(JsonLimits, syntax_errors_name_source_line_and_column) {
  const std::string message = message_of("{\n  \"a\": 1,\n  \"b\": ]\n}");
  EXPECT_TRUE(message.starts_with("x.json: line 3, column 8: ")) << message;
  EXPECT_NE(message_of("").find("line 1, column"), std::string::npos);
  for (const char* text : {"{", "[1,]", "{\"a\"}", "nul", "1 2", "\"\\ud800\"", "\"\xff\"",
                           "\"a\nb\"", "1e999", "[1]x", "'a'"}) {
    EXPECT_FALSE(message_of(text).empty()) << text;
  }
}

TEST(JsonLimits, long_tokens_do_not_flood_the_message) {
  EXPECT_LT(message_of("[\"" + std::string(100000, 'a') + "\n\"]").size(), 400U);
}

TEST(JsonLimits, depth_is_limited_exactly) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(64), "x.json"));
  EXPECT_NE(message_of(nested(65)).find("line 1, column 65: more than 64 nested"),
            std::string::npos)
      << message_of(nested(65));
  EXPECT_FALSE(message_of(std::string(10'000'000, '[')).empty());
  EXPECT_FALSE(message_of(nested(2), {.max_depth = 1}).empty());
}

TEST(JsonLimits, size_is_limited_exactly) {
  EXPECT_TRUE(parse_json("[1,2]", "x.json", {.max_bytes = 5}));
  EXPECT_NE(message_of("[1,2]", {.max_bytes = 4}).find("has 5 bytes, expected at most 4"),
            std::string::npos);
}

TEST(JsonLimits, duplicate_keys_are_refused_with_their_place) {
  const std::string message = message_of(R"({"a": 1, "b": {"c": 1}, "a": {}})", {});
  EXPECT_EQ(message, "x.json: line 1, column 30: key 'a' appears twice");
  const auto ordered = parse_ordered_json(R"({"a": 1, "b": {"c": 1}, "a": {}})", "x.json");
  EXPECT_EQ(ordered.error().message,
            "x.json: line 1, column 32: key 'a' appears twice");  // known at the closing brace
}

TEST(JsonLimits, last_duplicate_wins_when_asked) {
  const std::string text = R"({"b": 1, "a": [2], "b": {"x": 3}, "c": 4, "a": 5})";
  const JsonLimits limits{.duplicate_keys = DuplicateKeys::last_wins};
  EXPECT_EQ(*parse_json(text, "x.json", limits),
            nlohmann::json::parse(R"({"a": 5, "b": {"x": 3}, "c": 4})"));
  EXPECT_EQ(parse_ordered_json(text, "x.json", limits)->dump(), R"({"b":{"x":3},"c":4,"a":5})");
}

TEST(JsonLimits, large_objects_are_not_quadratic) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i)
    text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  const auto ordered = parse_ordered_json(
      text, "x.json");  // quadratic would take minutes and meet the test's time limit
  ASSERT_TRUE(ordered);
  EXPECT_EQ(ordered->size(), 200000U);
}

}  // namespace
}  // namespace hadal
