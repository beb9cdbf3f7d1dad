// JSON as Python's json.dumps(value, ensure_ascii=False) writes it: the prompts of V4 were made by
// Python (deepseek-v4.md 11.3), and one other space or digit would be another prompt.
#pragma once

#include "base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal {

/// Nesting that `parse_exact_json` accepts (Python's own limit is near 1000); writers may recurse
/// to this depth.
inline constexpr std::size_t kMaxJsonDepth = 512;

/// Parses JSON text (UTF-8), keeping the order of keys; of a repeated key the last value wins, at
/// the place of the first, as in Python. Integers beyond 64 bits keep their digits: they are held
/// as a binary value with the digits as bytes, which only `python_json` knows how to write. Errors:
/// bad_format, naming `source`, position, expected and found. Never throws. O(n).
Result<nlohmann::ordered_json> parse_exact_json(std::string_view text, std::string_view source);

/// True if `text` is one JSON value, nested no deeper than `max_depth`.
bool is_json(std::string_view text, std::size_t max_depth = kMaxJsonDepth);

/// Separators ", " and ": ", floats by repr (shortest digits that round-trip; 1e+16, 1e-05, 1.0).
/// @param value  nested no deeper than kMaxJsonDepth; strings are UTF-8 and written as they are.
std::string python_json(const nlohmann::ordered_json& value);

/// Parses `text` and writes it in Python's form. Errors as `parse_exact_json`.
Result<std::string> python_json_from_text(std::string_view text, std::string_view source);

/// Python's repr of a finite double.
std::string python_float_repr(double value);

/// Appends `text` escaped as inside a JSON string, without the quotes around it.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace hadal
