#include "chat/python_json.h"

#include "chat/golden_for_test.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace hadal {

TEST(PythonJson, WritesWhatPythonWrites) {
  const auto cases = golden_cases("python_json.json");
  ASSERT_GT(cases.size(), 150u);
  for (const auto& entry : cases) {
    const std::string text = entry[0].get<std::string>();
    const auto written = python_json_from_text(text, "case");
    ASSERT_TRUE(written) << text << "\n" << written.error().message;
    ASSERT_EQ(*written, entry[1].get<std::string>()) << text;
  }
}

TEST(PythonJson, WritesItsOwnTextUnchanged) {
  for (const auto& entry : golden_cases("python_json.json")) {
    const std::string text = entry[1].get<std::string>();
    const auto written = python_json_from_text(text, "case");
    ASSERT_TRUE(written) << text;
    ASSERT_EQ(*written, text);
  }
}

TEST(PythonJson, EscapesOnlyWhatPythonEscapes) {
  for (int byte = 0; byte < 0x80; ++byte) {
    std::string out;
    append_json_escaped(out, std::string(1, static_cast<char>(byte)));
    const bool escaped = byte < 0x20 || byte == '"' || byte == '\\';
    ASSERT_EQ(out.size() > 1, escaped) << byte;
    const auto read = parse_exact_json('"' + out + '"', "case");
    ASSERT_TRUE(read) << byte;
    ASSERT_EQ(read->get<std::string>(), std::string(1, static_cast<char>(byte)));
  }
}

TEST(ParseExactJson, RefusesWhatIsNoJson) {
  for (const char* text :
       {"",         "  ",          "{",         "[1,]",     "{\"a\":}", "{\"a\" 1}",
        "{a: 1}",   "'a'",         "NaN",       "Infinity", "01",       "1.",
        ".5",       "+1",          "1e999",     "tru",      "\"a",      "\"\n\"",
        "\"\x80\"", "\"\\ud800\"", "\"\\x41\"", "[1] 2",    "nullnull", "\xEF\xBB\xBF"}) {
    const auto read = parse_exact_json(text, "the file");
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::bad_format) << text;
    EXPECT_TRUE(read.error().message.starts_with("the file: expected JSON, found: "))
        << read.error().message;
  }
}

TEST(ParseExactJson, BoundsItsDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_exact_json(nested(kMaxJsonDepth), "f"));
  const auto deep = parse_exact_json(nested(kMaxJsonDepth + 1), "f");
  ASSERT_FALSE(deep);
  EXPECT_NE(deep.error().message.find("deeper than 512"), std::string::npos)
      << deep.error().message;
  EXPECT_FALSE(parse_exact_json(std::string(1'000'000, '['), "f"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(parse_exact_json(objects, "f"));
}

// With the linear look-up of an ordered map this takes many times longer.
TEST(ParseExactJson, ReadsWideObjects) {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += "\"key number " + std::to_string(i) + "\": 0, ";
  text += "\"key number 7\": 1}";
  const auto read = parse_exact_json(text, "f");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 20'000u);
  EXPECT_EQ(std::next(read->begin(), 7)->get<int>(), 1);
}

}  // namespace hadal
