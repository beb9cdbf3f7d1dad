// Text from files, made safe to print in messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal {

/// `text` on one line, as well-formed UTF-8 without control characters (ASCII and C1): other bytes
/// become \xNN. Cut with "..." after about `max_bytes` of input. Keeps hostile names from writing
/// terminal commands or flooding a log.
std::string printable(std::string_view text, std::size_t max_bytes);

/// The printable form of a name in single quotes, cut after 120 bytes.
std::string quote(std::string_view name);

}  // namespace hadal
