#include "formats/quote.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Quote, plain_and_foreign_names_stay_as_they_are) {
  EXPECT_EQ(quote("layers.0.attn.wq_a.weight"), "'layers.0.attn.wq_a.weight'");
  EXPECT_EQ(quote("\u00e9\u4e16\U0001F600"), "'\u00e9\u4e16\U0001F600'");
  EXPECT_EQ(quote(""), "''");
}

TEST(Quote, control_characters_are_written_as_hex) {
  EXPECT_EQ(quote("a\nb\x1b[31m\x7f"), "'a\\x0ab\\x1b[31m\\x7f'");
  EXPECT_EQ(quote(std::string_view("\0", 1)), "'\\x00'");
  EXPECT_EQ(quote("\u009b31m\u00a0"), "'\\xc2\\x9b31m\u00a0'");
}

TEST(Quote, ill_formed_utf8_is_written_as_hex) {
  EXPECT_EQ(quote("\xff"), "'\\xff'");
  EXPECT_EQ(quote("\xe4\xb8"), "'\\xe4\\xb8'");                    // cut short
  EXPECT_EQ(quote("\xc0\x80"), "'\\xc0\\x80'");                    // overlong
  EXPECT_EQ(quote("\xe0\x9f\xbf"), "'\\xe0\\x9f\\xbf'");           // overlong
  EXPECT_EQ(quote("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");           // surrogate
  EXPECT_EQ(quote("\xf0\x8f\xbf\xbf"), "'\\xf0\\x8f\\xbf\\xbf'");  // overlong
  EXPECT_EQ(quote("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");  // above U+10FFFF
}

TEST(Quote, long_names_are_cut_between_characters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("ab\u4e16cd", 3), "ab\u4e16...");
}

}  // namespace
}  // namespace hadal
