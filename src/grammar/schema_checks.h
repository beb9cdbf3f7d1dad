// Questions about schemas that are answered before a grammar is written.
#pragma once

#include "base/result.h"
#include "grammar/schema_document.h"

namespace hadal::grammar {

/// Whether `value` satisfies the conjunction: for values of enum and const. `owner`: a schema whose
/// enum or const the value came from, so that this need not be looked at again.
Result<bool> satisfies(SchemaDocument& document, const Schema& value,
                       const Conjunction& conjunction, const Schema* owner = nullptr);

/// True when no value satisfies both: other types, other constants, another constant in a required
/// member, ranges of numbers that do not meet, a required member that the other forbids. False:
/// perhaps there is one.
Result<bool> exclude_each_other(SchemaDocument& document, const Conjunction& a,
                                const Conjunction& b);

}  // namespace hadal::grammar
