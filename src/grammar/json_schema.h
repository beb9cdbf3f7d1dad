// JSON Schema (draft 2020-12, the part that agents use) -> grammar of the JSON texts that satisfy
// it.
//
// Honoured: type, enum, const, properties, required, additionalProperties, items, prefixItems,
// minItems, maxItems, minLength, maxLength, pattern (regex_syntax.h), format (string_format.h),
// minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, oneOf (branches that provably
// exclude each other), allOf, $ref with $defs or any JSON pointer inside of the document, recursion
// included, true and false.
// minProperties, maxProperties, multipleOf: where they change nothing or count the members of a
// plain map (minProperties at most 1).
// Ignored, as the standard says: annotations (title, description, default, examples, ...), unknown
// keywords, unknown formats.
// Refused by name, since ignoring them would change validity: not, if/then/else, dependent*,
// contains, uniqueItems, patternProperties, propertyNames, unevaluated*, $dynamicRef, references
// out of the document, and what is beyond the limits below.
//
// The grammar is narrower than the schema in these ways, never wider:
// - members come in the order of `properties` (then of `required`), further ones behind them;
// - white space as JsonSpace says; values of enum and const, names of members, and strings with a
//   pattern or format are spelled in one way only (char_set.h);
// - numbers have bounded digits (json_text.h); integers have no fraction and no exponent; numbers
//   with bounds no exponent;
// - a format is always enforced, and narrower than its RFC.
#pragma once

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/json_text.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal::grammar {

inline constexpr std::size_t kMaxSchemaBytes = 2 * 1024 * 1024;
inline constexpr std::size_t kMaxSchemaDepth = 200;         ///< open objects and arrays
inline constexpr std::size_t kMaxSchemaProperties = 1000;   ///< of one object
inline constexpr std::size_t kMaxSchemaPrefixItems = 1000;  ///< of one array
inline constexpr std::size_t kMaxSchemaConjuncts = 200;     ///< schemas that one value must satisfy
inline constexpr std::size_t kMaxSchemaWork = 400'000;      ///< schemas looked at in all

struct JsonSchemaOptions {
  JsonSpace space = JsonSpace::single;
};

/// `source` begins messages, which name the place in the schema as a JSON pointer.
/// Errors: bad_format (no JSON, keyword with a wrong value), unsupported (a keyword or a limit, by
/// name), invalid_argument (nothing satisfies the schema).
Result<Grammar> compile_json_schema(std::string_view schema_text, std::string_view source,
                                    const JsonSchemaOptions& options = {});

/// The same for a parsed schema; `ordered` because members are generated in its order.
Result<Grammar> compile_json_schema(const nlohmann::ordered_json& schema, std::string_view source,
                                    const JsonSchemaOptions& options = {});

/// Any JSON object (response_format json_object).
Result<Grammar> compile_json_object(const JsonSchemaOptions& options = {});

}  // namespace hadal::grammar
