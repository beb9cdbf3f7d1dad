#include "grammar/regex_syntax.h"

#include "formats/quote.h"
#include "grammar/text_cursor.h"

#include <optional>
#include <string>
#include <utility>

namespace hadal::grammar {
namespace {

using Kind = RegexNode::Kind;

RegexNode chars_node(CharSet set) {
  RegexNode node;
  node.kind = Kind::chars;
  node.chars = std::move(set);
  return node;
}

class RegexParser : private CharCursor {
 public:
  RegexParser(std::string_view pattern, RegexDialect dialect)
      : CharCursor(pattern), dialect_(dialect) {}

  Result<std::vector<RegexAlternative>> parse() {
    std::vector<RegexAlternative> alternatives;
    for (;;) {
      RegexAlternative alternative;
      if (skip(U'^')) alternative.is_anchored_at_start = true;
      alternative.node = sequence();
      if (skip(U'$')) alternative.is_anchored_at_end = true;
      if (problem_) return *problem_;
      alternatives.push_back(std::move(alternative));
      if (skip(U'|')) continue;
      if (at_end()) return alternatives;
      fail_at_odd_char();
      return *problem_;
    }
  }

 private:
  void fail(ErrorCode code, std::string_view what) {
    if (!problem_) problem_ = error(code, "{} at character {}", what, at_);
  }
  void refuse(std::string_view what) {
    fail(ErrorCode::unsupported, fmt::format("{} cannot be part of a grammar:", what));
  }
  void fail_at_odd_char() {
    if (peek() == U')') {
      fail(ErrorCode::bad_format, "')' without '('");
    } else {
      refuse("'^' or '$' away from the ends of an alternative");
    }
  }

  // Up to '|', ')', '$' or the end.
  RegexNode sequence() {
    RegexNode node;
    while (!at_end() && !problem_) {
      const char32_t c = peek();
      if (c == U'|' || c == U')' || c == U'$') break;
      RegexNode item = atom();
      if (problem_) break;
      node.children.push_back(quantified(std::move(item)));
    }
    return node;
  }

  RegexNode atom() {
    const char32_t c = peek();
    if (c == U'(') return group();
    ++at_;
    switch (c) {
      case U'[':
        return chars_node(char_class());
      case U'.':
        return chars_node(dot());
      case U'\\':
        return chars_node(escape(/*in_class=*/false));
      case U'^':
        --at_;
        refuse("'^' away from the start");
        return {};
      case U'*':
      case U'+':
      case U'?':
        --at_;
        fail(ErrorCode::bad_format, "a quantifier without anything before it");
        return {};
      default:
        return chars_node(CharSet::of(c));
    }
  }

  CharSet dot() const {
    switch (dialect_) {
      case RegexDialect::python_dot_all:
        return CharSet::all();
      case RegexDialect::python:
        return CharSet::of('\n').complement();
      case RegexDialect::ecma:
        break;
    }
    return CharSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement();
  }

  RegexNode group() {
    ++at_;
    if (skip(U"?=") || skip(U"?!") || skip(U"?<=") || skip(U"?<!")) {
      refuse("look-around");
      return {};
    }
    if (skip(U"?<") || (dialect_ != RegexDialect::ecma && skip(U"?P<"))) {
      while (!at_end() && peek() != U'>') ++at_;
      skip(U'>');
    } else if (!skip(U"?:") && peek() == U'?') {
      refuse("'(?' with flags or other extensions");
      return {};
    }
    if (++depth_ > kMaxRegexDepth) {
      fail(ErrorCode::unsupported, fmt::format("more than {} open groups", kMaxRegexDepth));
      return {};
    }
    RegexNode node;
    node.kind = Kind::choice;
    do {
      node.children.push_back(sequence());
    } while (!problem_ && skip(U'|'));
    --depth_;
    if (problem_) return {};
    if (peek() == U'$') {
      refuse("'$' inside of a group");
    } else if (!skip(U')')) {
      fail(ErrorCode::bad_format, "a group is not closed");
    }
    return node;
  }

  RegexNode quantified(RegexNode item) {
    std::uint32_t min = 0, max = kUnbounded;
    if (skip(U'*')) {
    } else if (skip(U'+')) {
      min = 1;
    } else if (skip(U'?')) {
      max = 1;
    } else if (peek() == U'{') {
      ++at_;
      const auto low = number();
      if (!low) {
        fail(ErrorCode::bad_format, "expected a number behind '{'");
        return {};
      }
      min = max = *low;
      if (skip(U',')) max = number().value_or(kUnbounded);
      if (!skip(U'}') || max < min) {
        fail(ErrorCode::bad_format, "expected {m}, {m,} or {m,n} with m <= n");
        return {};
      }
      if (min > kMaxRegexRepeat || (max != kUnbounded && max > kMaxRegexRepeat)) {
        fail(ErrorCode::unsupported, fmt::format("more than {} repetitions", kMaxRegexRepeat));
        return {};
      }
    } else {
      return item;
    }
    skip(U'?');  // lazy: the same language
    if (peek() == U'*' || peek() == U'+' || peek() == U'?' || peek() == U'{') {
      fail(ErrorCode::bad_format, "a quantifier behind a quantifier");
      return {};
    }
    RegexNode node;
    node.kind = Kind::repeat;
    node.min = min;
    node.max = max;
    node.children.push_back(std::move(item));
    return node;
  }

  std::optional<std::uint32_t> number() {
    if (peek() < U'0' || peek() > U'9') return std::nullopt;
    std::uint32_t value = 0;
    while (peek() >= U'0' && peek() <= U'9') {
      if (value <= kMaxRegexRepeat) value = value * 10 + (peek() - U'0');
      ++at_;
    }
    return value;
  }

  CharSet char_class() {
    const bool is_negated = skip(U'^');
    std::vector<CharRange> ranges;
    CharSet set;
    // Python: a class is never empty, so a first ']' is one of its characters.
    bool takes_bracket = dialect_ != RegexDialect::ecma;
    while (!at_end() && (peek() != U']' || takes_bracket) && !problem_) {
      const CharSet low = class_item();
      takes_bracket = false;
      if (peek() == U'-' && peek(1) != U']' && at_ + 1 < chars_.size()) {
        ++at_;
        const CharSet high = class_item();
        if (problem_) break;
        const auto is_one_char = [](const CharSet& s) {
          return s.ranges().size() == 1 && s.ranges()[0].low == s.ranges()[0].high;
        };
        if (!is_one_char(low) || !is_one_char(high) || low.ranges()[0].low > high.ranges()[0].low) {
          fail(ErrorCode::bad_format,
               "a range in [] that runs from nothing to nothing or backwards");
          break;
        }
        ranges.push_back({low.ranges()[0].low, high.ranges()[0].low});
      } else {
        ranges.insert(ranges.end(), low.ranges().begin(), low.ranges().end());
      }
    }
    if (!skip(U']')) fail(ErrorCode::bad_format, "'[' is not closed");
    set = CharSet(std::move(ranges));
    return is_negated ? set.complement() : set;
  }

  CharSet class_item() {
    const char32_t c = peek();
    ++at_;
    return c == U'\\' ? escape(/*in_class=*/true) : CharSet::of(c);
  }

  // Behind the backslash.
  CharSet escape(bool in_class) {
    if (at_end()) {
      fail(ErrorCode::bad_format, "a backslash at the end");
      return {};
    }
    const char32_t c = peek();
    ++at_;
    switch (c) {
      case U'd':
        return regex_digits();
      case U'D':
        return regex_digits().complement();
      case U'w':
        return regex_word();
      case U'W':
        return regex_word().complement();
      case U's':
        return regex_space();
      case U'S':
        return regex_space().complement();
      case U't':
        return CharSet::of(U'\t');
      case U'n':
        return CharSet::of(U'\n');
      case U'v':
        return CharSet::of(U'\v');
      case U'f':
        return CharSet::of(U'\f');
      case U'r':
        return CharSet::of(U'\r');
      case U'0':
        if (dialect_ != RegexDialect::ecma && peek() >= U'0' && peek() <= U'9')
          refuse("an octal escape");
        return CharSet::of(U'\0');
      case U'x':
        return CharSet::of(hex(2));
      case U'u':
        return CharSet::of(unicode());
      case U'c':
        if ((peek() >= U'a' && peek() <= U'z') || (peek() >= U'A' && peek() <= U'Z'))
          return CharSet::of(chars_[at_++] % 32);
        fail(ErrorCode::bad_format, "expected a letter behind \\c");
        return {};
      case U'b':
        if (in_class) return CharSet::of(U'\b');
        [[fallthrough]];
      case U'B':
        refuse("\\b and \\B (word boundaries)");
        return {};
      case U'p':
      case U'P':
        refuse("\\p (Unicode properties)");
        return {};
      default:
        break;
    }
    if ((c >= U'1' && c <= U'9') || c == U'k') {
      refuse("back-references");
    } else if ((c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z')) {
      fail(ErrorCode::bad_format, fmt::format("unknown escape \\{}", static_cast<char>(c)));
    }
    return CharSet::of(c);
  }

  char32_t hex(int n_digits) {
    char32_t value = 0;
    for (int i = 0; i < n_digits; ++i) {
      const char32_t c = peek(), lower = c | 0x20;
      if (c >= U'0' && c <= U'9') {
        value = value * 16 + (c - U'0');
      } else if (lower >= U'a' && lower <= U'f') {
        value = value * 16 + (lower - U'a' + 10);
      } else {
        fail(ErrorCode::bad_format, fmt::format("expected {} hexadecimal digits", n_digits));
        return 0;
      }
      ++at_;
    }
    return value;
  }

  char32_t unicode() {
    if (!skip(U'{')) {
      const char32_t high = hex(4);
      if (high < 0xd800 || high > 0xdbff || !skip(U"\\u")) return high;
      const char32_t low = hex(4);
      return 0x10000 + ((high - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
    }
    char32_t value = 0;
    while (!at_end() && peek() != U'}' && value <= 0x10ffff && !problem_)
      value = value * 16 + hex(1);
    if (!skip(U'}') || value > 0x10ffff)
      fail(ErrorCode::bad_format, "expected \\u{H} up to 10FFFF");
    return value;
  }

  RegexDialect dialect_;
  std::size_t depth_ = 0;
  std::optional<Error> problem_;
};

}  // namespace

Result<std::vector<RegexAlternative>> parse_regex(std::string_view pattern, RegexDialect dialect) {
  if (pattern.size() > kMaxRegexBytes) {
    return error(ErrorCode::unsupported, "regular expression: expected at most {} bytes, found {}",
                 kMaxRegexBytes, pattern.size());
  }
  auto alternatives = RegexParser(pattern, dialect).parse();
  if (alternatives) return alternatives;
  return Error{alternatives.error().code, fmt::format("regular expression {}: {}", quote(pattern),
                                                      alternatives.error().message)};
}

CharSet regex_digits() {
  return CharSet({{'0', '9'}});
}

CharSet regex_word() {
  return CharSet({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
}

CharSet regex_space() {
  return CharSet({{'\t', '\r'},
                  {' ', ' '},
                  {0xa0, 0xa0},
                  {0x1680, 0x1680},
                  {0x2000, 0x200a},
                  {0x2028, 0x2029},
                  {0x202f, 0x202f},
                  {0x205f, 0x205f},
                  {0x3000, 0x3000},
                  {0xfeff, 0xfeff}});
}

}  // namespace hadal::grammar
