// Reading a request field by field: each value knows its place in the body, so that every error
// says which field, what was expected and what was found.
#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

/// A JSON value and where it stands, such as `messages[3].content`. Points into the body, which
/// must outlive it. Errors of the readers below are `PLACE: expected ..., found ...` with the code
/// invalid_argument; `refused` gives the code unsupported.
struct Field {
  using Json = nlohmann::ordered_json;

  const Json& json;
  std::string place;  ///< empty: the body itself

  /// The member `key`; nullptr if it is absent or null, or if this is no object.
  const Json* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The member `key`, which must be there.
  Field member(std::string_view key) const;
  Field element(std::size_t i) const;
  std::string place_of(std::string_view key) const;
};

/// Parses the text of a request. Integers beyond 64 bits keep their digits (parse_exact_json).
/// Errors: bad_format, invalid_argument (no object); both begin with "body: ".
Result<nlohmann::ordered_json> parse_body(std::string_view text);

/// Where an error of this folder's parsers says it happened: "messages[3].content"; empty when it
/// is about the whole body.
std::string field_of(const Error& error);

Error unexpected(const Field& field, std::string_view expected);
Error missing(const Field& parent, std::string_view key, std::string_view expected);
/// The field is valid, would change the answer, and cannot be honoured.
Error refused(const Field& field, std::string_view why);

Result<std::string> read_string(const Field& field);
Result<bool> read_bool(const Field& field);
/// A float without fraction, such as 3.0, is taken too.
Result<std::int64_t> read_integer(const Field& field, std::int64_t min, std::int64_t max);
Result<double> read_number(const Field& field, double min, double max);
Result<void> check_object(const Field& field, std::string_view expected);

/// Members that may be absent or null.
Result<std::optional<std::string>> optional_string(const Field& parent, std::string_view key);
Result<std::optional<bool>> optional_bool(const Field& parent, std::string_view key);
Result<std::optional<std::int64_t>> optional_integer(const Field& parent, std::string_view key,
                                                     std::int64_t min, std::int64_t max);
Result<std::optional<double>> optional_number(const Field& parent, std::string_view key, double min,
                                              double max);
/// The elements of a list; empty if it is absent or null.
Result<std::vector<Field>> optional_list(const Field& parent, std::string_view key);

/// Members that must be there.
Result<std::string> required_string(const Field& parent, std::string_view key);
Result<std::vector<Field>> required_list(const Field& parent, std::string_view key);

/// The index of the member's value in `names`. Errors: not a string, or none of them.
Result<std::optional<std::size_t>> optional_name(const Field& parent, std::string_view key,
                                                 const std::vector<std::string_view>& names);

/// The member `type` of a part, block, item or tool.
Result<std::string> type_of(const Field& field, std::string_view expected);

}  // namespace hadal
