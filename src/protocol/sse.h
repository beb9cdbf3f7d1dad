// Frames of server-sent events (WHATWG HTML, "Server-sent events"): lines end with LF, a frame with
// an empty line. `data` must be one line, as json_text is.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace hadal {

/// data: DATA
std::string sse_data(std::string_view data);
/// event: NAME / data: DATA
std::string sse_event(std::string_view name, std::string_view data);
/// A comment, which clients skip; it keeps connections and read timeouts alive.
std::string sse_comment(std::string_view text);

/// Frames one after the other. Where making a frame changes the state of a stream, write
/// in_order({a(), b()}): a list is evaluated from left to right, the operands of + are not.
std::string in_order(std::initializer_list<std::string> frames);

}  // namespace hadal
