#include "base/random.h"

#include <gtest/gtest.h>

namespace hadal {

// Published vectors: FNV-1a test suite (Landon Curt Noll), splitmix64.c of Sebastiano Vigna with
// seed 1234567.
TEST(Fnv1a64, MatchesPublishedVectors) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325ull);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cull);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8ull);
}

TEST(RandomStream, MatchesSplitmix64) {
  RandomStream stream(1234567);
  EXPECT_EQ(stream.next(), 6457827717110365317ull);
  EXPECT_EQ(stream.next(), 3203168211198807973ull);
  EXPECT_EQ(stream.next(), 9817491932198370423ull);
}

TEST(RandomStream, BelowStaysInRangeAndHitsEveryValue) {
  RandomStream stream(7);
  int count[5] = {};
  for (int i = 0; i < 5000; ++i) ++count[stream.below(5)];
  for (int n : count) EXPECT_NEAR(n, 1000, 150);  // 5 sigma = 141
}

}  // namespace hadal
