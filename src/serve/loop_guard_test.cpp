#include "serve/loop_guard.h"

#include "base/random.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

/// The number of tokens after which the guard trips; 0: never.
std::size_t trips_after(const std::vector<std::int32_t>& tokens) {
  LoopGuard guard;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (guard.take(tokens[i])) return i + 1;
  return 0;
}

std::vector<std::int32_t> repeated(std::size_t period, std::size_t n) {
  std::vector<std::int32_t> tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = static_cast<std::int32_t>(i % period * 7 % 1000);
  return tokens;
}

TEST(LoopGuard, TripsAfterEnoughCopiesOfAnyPeriod) {
  EXPECT_EQ(trips_after(repeated(1, 2000)), LoopGuard::kMinTokens);
  EXPECT_EQ(trips_after(repeated(48, 2000)), 8u * 48);
  EXPECT_EQ(trips_after(repeated(100, 2000)), 8u * 100);
  EXPECT_EQ(trips_after(repeated(LoopGuard::kMaxPeriod, 4000)), 8 * LoopGuard::kMaxPeriod);
}

TEST(LoopGuard, FindsALoopBehindOtherText) {
  RandomStream random(1);
  std::vector<std::int32_t> tokens(500);
  for (auto& token : tokens) token = static_cast<std::int32_t>(random.below(1000));
  const auto loop = repeated(50, 1000);
  tokens.insert(tokens.end(), loop.begin(), loop.end());

  EXPECT_EQ(trips_after(tokens), 500u + 8 * 50);
}

TEST(LoopGuard, LeavesAlmostEqualLinesAlone) {
  std::vector<std::int32_t> tokens;
  for (std::int32_t line = 0; line < 200; ++line) {
    for (std::int32_t word = 0; word < 20; ++word) tokens.push_back(word);
    tokens.push_back(1000 + line);  // such as the number of an item
  }

  EXPECT_EQ(trips_after(tokens), 0u);
}

TEST(LoopGuard, LeavesShortRepetitionsAlone) {
  EXPECT_EQ(trips_after(repeated(1, LoopGuard::kMinTokens - 1)), 0u);
  EXPECT_EQ(trips_after(repeated(100, 799)), 0u);
  EXPECT_EQ(trips_after(repeated(LoopGuard::kMaxPeriod + 1, 4000)), 0u);
}

}  // namespace
}  // namespace hadal
