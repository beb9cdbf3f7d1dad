// Lark's own verdicts on texts (tests/golden/lark/README.md).
#include "grammar/grammar_for_test.h"
#include "grammar/lark.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace hadal::grammar {
namespace {

TEST(LarkGolden, AcceptsWhatLarkParses) {
  std::ifstream file(HADAL_SOURCE_DIR "/tests/golden/lark/cases.json");
  const auto golden = nlohmann::json::parse(file);
  std::size_t n_accepted = 0, n_rejected = 0, n_refused = 0;
  for (const auto& one : golden["cases"]) {
    const std::string text = one["grammar"];
    auto made = compile_lark(text, "grammar");
    if (one["texts"].is_null()) {
      EXPECT_FALSE(made) << text;
      ++n_refused;
      continue;
    }
    const SharedGrammar grammar = share(std::move(made));
    for (const auto& row : one["texts"]) {
      const std::string sentence = row[0];
      const bool expected = row[1];
      EXPECT_EQ(accepts(grammar, sentence), expected) << text << "\n" << sentence;
      ++(expected ? n_accepted : n_rejected);
    }
  }
  EXPECT_GE(n_accepted, 90u);
  EXPECT_GE(n_rejected, 400u);
  EXPECT_GE(n_refused, 10u);
}

}  // namespace
}  // namespace hadal::grammar
