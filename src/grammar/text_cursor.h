// Reads the characters of a grammar's text; what the parsers of GBNF, Lark and regular expressions
// have in common.
#pragma once

#include "base/result.h"
#include "grammar/char_set.h"
#include "grammar/rule_items.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal::grammar {

/// A place in characters.
class CharCursor {
 protected:
  explicit CharCursor(std::string_view text) : chars_(decode_chars(text)) {}

  bool at_end() const { return at_ >= chars_.size(); }
  char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < chars_.size() ? chars_[at_ + ahead] : U'\0';
  }
  bool skip(char32_t c) {
    if (at_end() || peek() != c) return false;
    ++at_;
    return true;
  }
  bool skip(std::u32string_view text) {
    if (std::u32string_view(chars_).substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  std::u32string chars_;
  std::size_t at_ = 0;
};

/// Base of a parser of rules. The first problem counts; parsers go on until they see it.
class TextCursor : protected CharCursor {
 protected:
  TextCursor(std::string_view text, std::string_view source) : CharCursor(text), source_(source) {}

  void fail(ErrorCode code, std::string_view what) { fail_at(at_, code, what); }
  void fail_at(std::size_t place, ErrorCode code, std::string_view what) {
    if (!problem_)
      problem_ = error(code, "{}: {}: {}", source_, line_and_column(chars_, place), what);
  }

  static bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

  /// Decimal digits; large numbers stay beyond every limit.
  std::optional<std::uint32_t> number() {
    if (!is_digit(peek())) return std::nullopt;
    std::uint32_t value = 0;
    for (; is_digit(peek()); ++at_)
      if (value < 100'000'000) value = value * 10 + (peek() - U'0');
    return value;
  }

  /// What the escape that `kind` begins stands for, behind the backslash and `kind`: n r t xHH
  /// uHHHH UHHHHHHHH; nothing for others.
  std::optional<char32_t> common_escape(char32_t kind) {
    switch (kind) {
      case U'n':
        return U'\n';
      case U'r':
        return U'\r';
      case U't':
        return U'\t';
      case U'x':
        return hex(2);
      case U'u':
        return hex(4);
      case U'U':
        return hex(8);
      default:
        return std::nullopt;
    }
  }

  std::string source_;
  std::optional<Error> problem_;

 private:
  char32_t hex(int n_digits) {
    std::uint32_t value = 0;
    for (int i = 0; i < n_digits; ++i, ++at_) {
      const char32_t c = peek(), lower = c | 0x20;
      if (!is_digit(c) && (lower < U'a' || lower > U'f')) {
        fail(ErrorCode::bad_format, fmt::format("expected {} hexadecimal digits", n_digits));
        return U' ';
      }
      value = value * 16 + (is_digit(c) ? c - U'0' : lower - U'a' + 10);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
      fail(ErrorCode::bad_format, "not a character");
      return U' ';
    }
    return value;
  }
};

}  // namespace hadal::grammar
