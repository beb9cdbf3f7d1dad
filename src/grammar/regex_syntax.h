// Text of a regular expression -> tree.
//
// The subset of ECMA-262 (flag u) that we read: characters, `.`, classes [a-z] and [^a-z], groups
// (...), (?:...), (?<name>...), alternation, quantifiers * + ? {m} {m,} {m,n} (a trailing ? for
// "lazy" changes no language), ^ and $ at the ends of a top-level alternative, escapes \d \D \w \W
// \s \S \t \n \v \f \r \0 \cX \xHH \uHHHH (pairs of surrogates too) \u{H...} and \ before
// punctuation. Refused by name: look-around, back-references, \b \B, \p, flags, anchors elsewhere.
#pragma once

#include "base/result.h"
#include "grammar/char_set.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hadal::grammar {

inline constexpr std::size_t kMaxRegexBytes = 64 * 1024;
inline constexpr std::size_t kMaxRegexDepth = 200;  ///< open groups
inline constexpr std::uint32_t kMaxRegexRepeat = 10'000;

struct RegexNode {
  enum class Kind : std::uint8_t { chars, sequence, choice, repeat };
  Kind kind = Kind::sequence;  ///< without children: the empty text
  CharSet chars;
  std::vector<RegexNode> children;
  std::uint32_t min = 1, max = 1;  ///< repeat; max may be kUnbounded
};

struct RegexAlternative {
  RegexNode node;
  bool is_anchored_at_start = false, is_anchored_at_end = false;
};

/// Python's differences as far as they are read: `.` is all but the line feed, or anything with the
/// flag s; a first ']' in a class is a character; groups may be named (?P<name>...); octal escapes
/// are refused. \w, \d and \s stay ECMA-262's.
enum class RegexDialect : std::uint8_t { ecma, python, python_dot_all };

/// The top-level alternatives. Errors: bad_format (syntax), unsupported (outside of the subset or
/// the limits), with the place in bytes.
Result<std::vector<RegexAlternative>> parse_regex(std::string_view pattern,
                                                  RegexDialect dialect = RegexDialect::ecma);

// What a class escape stands for.
CharSet regex_digits();  ///< \d
CharSet regex_word();    ///< \w
CharSet regex_space();   ///< \s: ECMA-262's WhiteSpace and LineTerminator

}  // namespace hadal::grammar
