// The scanner against PCRE2 with the published expressions. PCRE2 10.42 knows Unicode 14, our
// tables are Unicode 16: characters that are newer than PCRE2 are left out here, and U+180E, which
// PCRE2 counts as \s for Perl's sake.
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/check.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/random_text.h"
#include "tokenizer/unicode.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {
namespace {

using Pieces = std::vector<std::string_view>;

class Pcre2 {
 public:
  explicit Pcre2(std::string_view pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(bytes(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error,
                              &offset, nullptr));
    HADAL_CHECK(code_ != nullptr, "PCRE2 refuses a pattern of this test");
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // a matter of speed only
    match_.reset(pcre2_match_data_create(1, nullptr));
  }

  bool matches_at_start(std::string_view text) const {
    return match(text, 0) && pcre2_get_startchar(match_.get()) == 0;
  }

  // Matches and the stretches between them.
  void split(std::string_view piece, Pieces& parts) const {
    std::size_t gap = 0;
    while (gap < piece.size() && match(piece, gap)) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match_.get());
      if (ends[0] > gap) parts.push_back(piece.substr(gap, ends[0] - gap));
      parts.push_back(piece.substr(ends[0], ends[1] - ends[0]));
      gap = ends[1];
    }
    if (gap < piece.size()) parts.push_back(piece.substr(gap));
  }

 private:
  static PCRE2_SPTR bytes(std::string_view text) {
    return reinterpret_cast<PCRE2_SPTR>(text.data());
  }

  bool match(std::string_view text, std::size_t from) const {
    return pcre2_match(code_.get(), bytes(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                       match_.get(), nullptr) >= 0;
  }

  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

constexpr char32_t kMongolianVowelSeparator = 0x180E;

bool is_surrogate(char32_t c) {
  return c >= 0xD800 && c < 0xE000;
}

// Characters that mean the same to both Unicode versions.
class CommonCharacters {
 public:
  bool contains(char32_t c) const {
    if (is_surrogate(c) || c == kMongolianVowelSeparator) return false;
    return class_of(c) == CharClass::other || !unassigned_.matches_at_start(utf8_of(c));
  }

  std::string keep(std::string_view text) const {
    std::string kept;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Char c = decode_utf8(text, at);
      if (contains(c.code_point)) kept += text.substr(at, c.length);
      at += c.length;
    }
    return kept;
  }

 private:
  Pcre2 unassigned_{"\\p{Cn}"};
};

TEST(UnicodeClasses, EqualPcre2OnEveryCharacterThatItKnows) {
  const CommonCharacters common;
  const Pcre2 word("[\\p{L}\\p{M}]"), number("\\p{N}"), mark("[\\p{P}\\p{S}]"), space("\\s");
  const auto expected = [&](const std::string& c) {
    if (word.matches_at_start(c)) return CharClass::word;
    if (number.matches_at_start(c)) return CharClass::number;
    if (mark.matches_at_start(c)) return CharClass::mark;
    return space.matches_at_start(c) ? CharClass::space : CharClass::other;
  };

  std::size_t n_compared = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (!common.contains(c)) continue;
    ASSERT_EQ(class_of(c), expected(utf8_of(c))) << fmt::format("U+{:04X}", std::uint32_t{c});
    ++n_compared;
  }
  // All but surrogates, U+180E and the 10,294 characters of Unicode 15 and 16.
  EXPECT_EQ(n_compared, 0x110000u - 0x800 - 1 - 10294);
}

class SplitOracle {
 public:
  Pieces pieces(std::string_view text) const {
    Pieces pieces = {text};
    if (text.empty()) pieces.clear();
    for (const Pcre2& regex : splits_) {
      Pieces next;
      for (std::string_view piece : pieces) regex.split(piece, next);
      pieces = std::move(next);
    }
    return pieces;
  }

 private:
  const Pcre2 splits_[3] = {Pcre2(kDeepSeekSplits[0]), Pcre2(kDeepSeekSplits[1]),
                            Pcre2(kDeepSeekSplits[2])};
};

TEST(PreTokenizer, EqualsPcre2OnRandomAndAdversarialText) {
  constexpr std::uint64_t kFirstIndex = 500'000;  // not the strings of the golden digests
  const RandomText random;
  const CommonCharacters common;
  const SplitOracle oracle;

  for (std::uint64_t index = kFirstIndex; index < kFirstIndex + 10'000; ++index) {
    const std::string text = common.keep(random.text(index));
    Pieces actual;
    pre_tokenize(text, actual);
    ASSERT_EQ(actual, oracle.pieces(text)) << "string " << index << ": " << text;
  }
}

// Every sequence of four characters, one of each kind that the expressions tell apart.
TEST(PreTokenizer, EqualsPcre2OnAllShortSequencesOfKinds) {
  const std::vector<std::string> kinds = {"a",  "é",  "\u0301", "7",  "!",  "’",      " ",
                                          "\t", "\n", "\r",     "你", "・", "\u00A0", "\x01"};
  const SplitOracle oracle;
  const std::size_t n = kinds.size();

  for (std::size_t code = 0; code < n * n * n * n; ++code) {
    std::string text;
    for (std::size_t rest = code, i = 0; i < 4; ++i, rest /= n) text += kinds[rest % n];
    Pieces actual;
    pre_tokenize(text, actual);
    ASSERT_EQ(actual, oracle.pieces(text)) << "sequence " << code;
  }
}

}  // namespace
}  // namespace hadal
