#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace hadal {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces pieces_of(std::string_view text) {
  Pieces pieces;
  pre_tokenize(text, pieces);
  return pieces;
}

TEST(PreTokenizer, CutsDigitsFromTheLeftInThrees) {
  EXPECT_EQ(pieces_of("12345"), (Pieces{"123", "45"}));
  EXPECT_EQ(pieces_of("a1234567b"), (Pieces{"a", "123", "456", "7", "b"}));
  EXPECT_EQ(pieces_of("½Ⅻ٣٤"), (Pieces{"½Ⅻ٣", "٤"}));
}

TEST(PreTokenizer, KeepsStretchesBetweenMatches) {
  EXPECT_EQ(pieces_of("\x01\x02"
                      "abc"),
            (Pieces{"\x01",
                    "\x02"
                    "abc"}));
  EXPECT_EQ(pieces_of("\x01\x02"), (Pieces{"\x01\x02"}));
}

TEST(PreTokenizer, JoinsOneOpeningCharacterToAWord) {
  EXPECT_EQ(pieces_of(" the\tcat"), (Pieces{" the", "\tcat"}));
  EXPECT_EQ(pieces_of("\nthe"), (Pieces{"\n", "the"}));
  EXPECT_EQ(pieces_of("don't 'é"), (Pieces{"don", "'t", " '", "é"}));
}

TEST(PreTokenizer, GivesBackTheLastSpaceBeforeAWord) {
  EXPECT_EQ(pieces_of("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces_of("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(pieces_of("a\t\t!"), (Pieces{"a", "\t", "\t", "!"}));
  EXPECT_EQ(pieces_of("a  !"), (Pieces{"a", " ", " !"}));
  // A number ends the piece before it, so nothing is given back.
  EXPECT_EQ(pieces_of("a   1"), (Pieces{"a", "   ", "1"}));
}

TEST(PreTokenizer, EndsWhiteSpaceAfterItsLastLineBreak) {
  EXPECT_EQ(pieces_of("a \n \n  b"), (Pieces{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(pieces_of("a;\r\n\r\nb"), (Pieces{"a", ";\r\n\r\n", "b"}));
}

TEST(PreTokenizer, IsolatesCjkAndKana) {
  EXPECT_EQ(pieces_of("x你好y"), (Pieces{"x", "你好", "y"}));
  EXPECT_EQ(pieces_of("テスト・ケース"), (Pieces{"テスト", "・", "ケース"}));
  EXPECT_EQ(pieces_of(" 你"), (Pieces{" ", "你"}));
  EXPECT_EQ(pieces_of("한국어 ok"), (Pieces{"한국어", " ok"}));
}

TEST(PreTokenizer, MakesEachInvalidByteAPieceOfItsOwn) {
  EXPECT_EQ(pieces_of("ab\xFF\xE4\xBD"
                      "cd"),
            (Pieces{"ab", "\xFF", "\xE4", "\xBD", "cd"}));
  EXPECT_EQ(pieces_of("\xED\xA0\x80"), (Pieces{"\xED", "\xA0", "\x80"}));  // a surrogate
  EXPECT_EQ(pieces_of("\xF4\x90\x80\x80"),
            (Pieces{"\xF4", "\x90", "\x80", "\x80"}));         // above U+10FFFF
  EXPECT_EQ(pieces_of("\xC0\xAF"), (Pieces{"\xC0", "\xAF"}));  // overlong
}

TEST(PreTokenizer, AnswersNothingForNothing) {
  EXPECT_TRUE(pieces_of("").empty());
}

}  // namespace
}  // namespace hadal
