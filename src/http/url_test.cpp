#include "http/url.h"

#include <gtest/gtest.h>

namespace hadal {

TEST(Url, TakesThePathOfTheFormsThatATargetHas) {
  EXPECT_EQ(origin_form("/a?b"), "/a?b");
  EXPECT_EQ(origin_form("http://host:80/a?b"), "/a?b");
  EXPECT_EQ(origin_form("https://host"), "/");
  for (const char* none : {"", "*", "host:443", "http:/a", "a/b", "http://host?a"})
    EXPECT_EQ(origin_form(none), "") << none;
}

TEST(Url, KnowsTheNamesOfThisMachine) {
  for (const char* own : {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:80", "[::1]",
                          "[::1]:8080", "localhost:"})
    EXPECT_TRUE(is_loopback_host(own)) << own;
  for (const char* other :
       {"", "example.com", "127.0.0.1.example.com", "localhost.example.com", "[::1].example.com",
        "[::2]", "[::1", "0.0.0.0", "localhost:80:80", "example.com:127.0.0.1", "evil@localhost"})
    EXPECT_FALSE(is_loopback_host(other)) << other;
}

TEST(Url, DecodesPercentSequencesAndQueries) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc%"), "a b/c%");
  EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
  EXPECT_EQ(query_value("beta=true&x=a+b%26", "x"), "a b&");
  EXPECT_EQ(query_value("beta=true", "beta"), "true");
  EXPECT_EQ(query_value("betax=1&&flag", "flag"), "");
  EXPECT_FALSE(query_value("", "x"));
}

}  // namespace hadal
