#include "engine/bench/statistics.h"

#include <gtest/gtest.h>

namespace hadal::bench {
namespace {

TEST(SpreadOf, TakesTheMiddleOfAnOddNumberInAnyOrder) {
  const Spread spread = spread_of({9, 1, 4, 2, 7});

  EXPECT_EQ(spread.median, 4);
  EXPECT_EQ(spread.min, 1);
  EXPECT_EQ(spread.max, 9);
}

TEST(SpreadOf, TakesTheMeanOfTheMiddleTwoOfAnEvenNumber) {
  EXPECT_EQ(spread_of({10, 1, 3, 2}).median, 2.5);
}

TEST(SpreadOf, OfNothingIsZero) {
  EXPECT_EQ(spread_of({}).median, 0);
  EXPECT_EQ(spread_of({}).max, 0);
}

}  // namespace
}  // namespace hadal::bench
