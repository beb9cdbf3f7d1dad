// A grammar as text, in the GBNF format that llama.cpp documents -> grammar.
//
//   root  ::= "yes" | "no" digit{1,3} ("," digit)*   # comment
//   digit ::= [0-9]
//
// Rules `name ::= alternatives` with names of letters, digits and '-'; the text is that of `root`.
// An alternative is a sequence of: "literals" and [classes], negated [^...] too, with escapes \n \r
// \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH; `.` (any character); rule names; (groups); each followed
// by * + ? {m} {m,} {m,n} if wanted. A rule ends at the end of the line; inside of parentheses, and
// behind '|' or '::=', lines may break. Left recursion is refused; right recursion and * are fine.
#pragma once

#include "base/result.h"
#include "grammar/grammar.h"

#include <cstddef>
#include <string_view>

namespace hadal::grammar {

inline constexpr std::size_t kMaxGbnfBytes = 1024 * 1024;
inline constexpr std::size_t kMaxGbnfDepth = 200;  ///< open parentheses

/// Errors: bad_format with line and column (syntax, unknown rule, no root); unsupported (limits,
/// left recursion); invalid_argument (nothing can match).
Result<Grammar> compile_gbnf(std::string_view text, std::string_view source);

}  // namespace hadal::grammar
