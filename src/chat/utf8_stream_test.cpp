#include "chat/utf8_stream.h"

#include "chat/golden_for_test.h"

#include <gtest/gtest.h>

#include <charconv>
#include <string>

namespace hadal {

namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    int value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

}  // namespace

TEST(Utf8Stream, ReplacesWhatPythonReplacesForEverySplit) {
  const auto cases = golden_cases("utf8.json");
  ASSERT_GT(cases.size(), 100u);
  for (const auto& entry : cases) {
    const std::string bytes = from_hex(entry[0].get<std::string>());
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      Utf8Stream stream;
      std::string out = stream.push(std::string_view(bytes).substr(0, cut));
      out += stream.push(std::string_view(bytes).substr(cut));
      out += stream.flush();
      ASSERT_EQ(out, entry[1].get<std::string>()) << entry[0] << " cut at " << cut;
    }
  }
}

TEST(Utf8Stream, HoldsBackOnlyUnfinishedCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE4\xBD"), "a");
  EXPECT_EQ(stream.push("\xA0"), "\xE4\xBD\xA0");
  EXPECT_EQ(stream.push("\xF0\x9F\x98"), "");
  EXPECT_EQ(stream.push("b"),
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace hadal
