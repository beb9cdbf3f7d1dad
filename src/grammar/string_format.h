// JSON Schema's `format` as regular expressions.
#pragma once

#include <optional>
#include <string_view>

namespace hadal::grammar {

/// A pattern whose matches all have the format (not the other way round: they are simple forms of
/// it): date, time, date-time, duration, email, hostname, ipv4, uuid, uri. Nothing for others.
std::optional<std::string_view> pattern_of_format(std::string_view format);

}  // namespace hadal::grammar
