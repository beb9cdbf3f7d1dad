// Frames of server-sent events (WHATWG HTML, "Server-sent events"): lines end with LF, a frame with
// an empty line. `data` must be one line, as json_text is.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

/// data: DATA
std::string sse_data(std::string_view data);
/// event: NAME / data: DATA
std::string sse_event(std::string_view name, std::string_view data);
/// A comment, which clients skip; it keeps connections and read timeouts alive.
std::string sse_comment(std::string_view text);

}  // namespace hadal
