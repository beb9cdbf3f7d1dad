#include "serve/exchange.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hadal {

// An id opens what is stored under it. A counter behind a bijection would tell its neighbours'.
TEST(FreshId, HasAHundredAndTwentyEightBitsOfItsOwn) {
  std::set<std::string> first_halves, second_halves;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = fresh_id("resp_");
    ASSERT_EQ(id.rfind("resp_", 0), 0u) << id;
    ASSERT_EQ(id.size(), 5u + 32u) << id;
    ASSERT_EQ(id.find_first_not_of("0123456789abcdef", 5), std::string::npos) << id;
    first_halves.insert(id.substr(5, 16));
    second_halves.insert(id.substr(21));
  }
  EXPECT_EQ(first_halves.size(), 1000u);
  EXPECT_EQ(second_halves.size(), 1000u);
}

}  // namespace hadal
