// Alternatives of fixed texts, without trying each of them: they share their beginnings.
#pragma once

#include "grammar/char_set.h"
#include "grammar/grammar_builder.h"

#include <string>
#include <vector>

namespace hadal::grammar {

/// Any of `texts`, then `next`.
StateId one_of(GrammarBuilder& builder, std::vector<std::string> texts, StateId next);

/// A JSON string other than `names` (valid UTF-8), then `next`. Quotes included; spelled in one way
/// only (CharEncoding::json_string), so that no escape can hide a name.
StateId json_string_except(GrammarBuilder& builder, const std::vector<std::string>& names,
                           StateId next);

}  // namespace hadal::grammar
