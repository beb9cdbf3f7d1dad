// The right-hand sides of rules, as the parsers of grammar texts (GBNF, Lark) leave them.
#pragma once

#include "grammar/char_set.h"
#include "grammar/grammar_builder.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::grammar {

/// Bounds of a repetition that a text may ask for.
inline constexpr std::uint32_t kMostRepetitions = 1'000'000;

struct RuleItem;
using RuleSequence = std::vector<RuleItem>;
using RuleAlternatives = std::vector<RuleSequence>;

/// One item, min to max times (kUnbounded: no upper bound).
struct RuleItem {
  enum class Kind : std::uint8_t { literal, chars, rule, group };
  Kind kind = Kind::literal;
  std::string literal;
  CharSet chars;  ///< one character
  RuleId rule = 0;
  RuleAlternatives alternatives;  ///< group
  std::uint32_t min = 1, max = 1;
};

/// Any of the alternatives, then `next`.
StateId write_alternatives(GrammarBuilder& builder, const RuleAlternatives& alternatives,
                           StateId next);

/// "line 3, column 7" of a place in a text.
std::string line_and_column(std::u32string_view text, std::size_t place);

}  // namespace hadal::grammar
