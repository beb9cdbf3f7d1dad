// JSON from files and users, parsed within limits: no exception, no deep recursion, no unbounded
// memory.
#pragma once

#include "base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string_view>

namespace hadal {

enum class DuplicateKeys {
  reject,     ///< for files: two values for one key are a mistake
  last_wins,  ///< for text from models and clients, as Python and JavaScript read it
};

struct JsonLimits {
  std::size_t max_depth =
      64;  ///< open objects and arrays; copying and dumping a value recurse this deep
  std::size_t max_bytes =
      32 * 1024 * 1024;  ///< of text; the tree takes up to 30 times as much (measured: many "{}")
  DuplicateKeys duplicate_keys = DuplicateKeys::reject;
};

/// Parses exactly one JSON value (RFC 8259, UTF-8; nothing but white space may follow it).
/// `source` names the file or field in messages, which tell line, column and the reason.
/// Errors: bad_format (syntax, depth, size, invalid UTF-8, number out of range, duplicate key),
/// out_of_memory.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view source,
                                  const JsonLimits& limits = {});

/// The same, with object members in the order of the text. Looking up a key is linear in an ordered
/// object: walk large ones (a vocabulary), or use parse_json.
Result<nlohmann::ordered_json> parse_ordered_json(std::string_view text, std::string_view source,
                                                  const JsonLimits& limits = {});

}  // namespace hadal
