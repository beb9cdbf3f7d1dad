// Names from files, made safe to print in messages.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

/// `name` in single quotes; control bytes as \xNN, and cut with "..." after 120 bytes. Keeps
/// messages on one line and hostile names from writing terminal commands.
std::string quote(std::string_view name);

}  // namespace hadal
