#include "chat/stop_filter.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

/// Everything that the filter lets through when `text` is fed in pieces of `n` bytes.
std::string filtered(std::vector<std::string> stops, std::string_view text, std::size_t n) {
  StopFilter filter(std::move(stops));
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += n) out += filter.feed(text.substr(i, n));
  return out + filter.finish();
}

}  // namespace

TEST(StopFilter, CutsAtTheFirstStopForEverySplit) {
  for (std::size_t n = 1; n < 20; ++n) {
    EXPECT_EQ(filtered({"END", "\n\n"}, "one\n two EN END three", n), "one\n two EN ") << n;
    EXPECT_EQ(filtered({"END", "\n\n"}, "one\n\ntwo END", n), "one") << n;
  }
}

TEST(StopFilter, LetsAnUnfinishedStopThroughAtTheEnd) {
  EXPECT_EQ(filtered({"END"}, "the EN", 1), "the EN");
}

TEST(StopFilter, TakesTheEarlierOfOverlappingStops) {
  EXPECT_EQ(filtered({"abcd", "bc"}, "xabcd", 5), "x");
  EXPECT_EQ(filtered({"abcd", "bc"}, "xabce", 5), "xa");
}

TEST(StopFilter, WithoutStopsHoldsNothingBack) {
  StopFilter filter({});
  EXPECT_EQ(filter.feed("text"), "text");
}

}  // namespace hadal
