// JSON as text on the wire: compact, UTF-8, numbers exact.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal {

/// Compact JSON (no spaces). Strings are written as they are and must be UTF-8; integers of any
/// size that parse_exact_json kept are written with all digits; floats so that they read back the
/// same.
std::string json_text(const nlohmann::ordered_json& value);

/// Text as UTF-8: what is no character becomes U+FFFD (utf8_stream.h). For token texts, which may
/// be parts of characters.
std::string valid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);
/// Code points of valid UTF-8.
std::size_t count_characters(std::string_view text);

}  // namespace hadal
