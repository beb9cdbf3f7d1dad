// Regular expressions (the subset of regex_syntax.h) as automata and as grammars.
#pragma once

#include "base/result.h"
#include "grammar/char_nfa.h"
#include "grammar/grammar.h"
#include "grammar/grammar_builder.h"
#include "grammar/regex_syntax.h"

#include <cstdint>
#include <string_view>

namespace hadal::grammar {

enum class RegexMatch : std::uint8_t {
  whole,     ///< the text is a match
  anywhere,  ///< the text holds a match (JSON Schema's `pattern`), unless anchored
};

/// Errors: bad_format or unsupported, naming the expression, the reason and the place; unsupported
/// also beyond kMaxNfaStates and kMaxNfaEdges.
Result<CharNfa> compile_regex_nfa(std::string_view pattern, RegexMatch match,
                                  RegexDialect dialect = RegexDialect::ecma);

/// The grammar of the texts that match as a whole. Errors: as above; invalid_argument (nothing can
/// match).
Result<Grammar> compile_regex(std::string_view pattern);

/// A rule of those texts in a grammar that is being built. Errors: of compile_regex_nfa.
Result<RuleId> add_regex(GrammarBuilder& builder, std::string_view pattern);

}  // namespace hadal::grammar
