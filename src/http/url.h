// Parts of request targets (RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// Of names of header fields and hosts, which are ASCII.
bool equal_ignoring_case(std::string_view a, std::string_view b);
/// The path and query of a request target (RFC 9112 section 3.2): of "http://host/a?b" as proxies
/// send it, "/a?b". Empty for what names no path: "*", "host:443".
std::string_view origin_form(std::string_view target);
/// "%41" -> "A"; what is no percent sequence stays.
std::string percent_decoded(std::string_view text);
/// Whether a Host header ("localhost:8080") names this machine by itself: localhost, 127.x.y.z or
/// [::1], with any port.
bool is_loopback_host(std::string_view host);
/// Value of a key in "a=1&b=2", decoded, with '+' as space; nothing if absent.
std::optional<std::string> query_value(std::string_view query, std::string_view key);

}  // namespace hadal
