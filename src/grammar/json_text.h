// The terminals of JSON (RFC 8259) as parts of a grammar, in the forms that we let a model write.
#pragma once

#include "grammar/grammar_builder.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>

namespace hadal::grammar {

/// White space between tokens. Always bounded: a model that emits random tokens cannot loop in it.
enum class JsonSpace : std::uint8_t {
  none,    ///< {"a":1,"b":2}
  single,  ///< at most one space behind ':' and ','; none elsewhere
  pretty,  ///< as single; besides, at '{' '[' ',' '}' ']' a line end and up to kMaxIndent spaces
};
inline constexpr std::uint32_t kMaxIndent = 32;

/// Numbers are bounded for the same reason, and stay within a double.
inline constexpr std::uint32_t kMaxIntegerDigits = 20;
inline constexpr std::uint32_t kMaxFractionDigits = 20;
inline constexpr std::uint32_t kMaxExponentDigits = 2;

/// One character of a string, in any spelling: UTF-8 as it is, or an escape (surrogates in pairs
/// only). Ends in kReturn; the same state at every call, known as Grammar::string_char.
StateId json_string_char(GrammarBuilder& builder);

/// A string of min to max characters, with its quotes.
StateId json_string(GrammarBuilder& builder, std::uint32_t min, std::uint32_t max, StateId next);

StateId json_integer(GrammarBuilder& builder, StateId next);
StateId json_number(GrammarBuilder& builder, StateId next);

/// Exactly this value: members in its order, strings and numbers spelled as nlohmann does it.
StateId json_constant(GrammarBuilder& builder, const nlohmann::ordered_json& value, JsonSpace space,
                      StateId next);

// White space at the places where it may stand.
StateId space_behind_colon(GrammarBuilder& builder, JsonSpace space, StateId next);
StateId space_behind_comma(GrammarBuilder& builder, JsonSpace space, StateId next);
StateId space_at_bracket(GrammarBuilder& builder, JsonSpace space, StateId next);

}  // namespace hadal::grammar
