// Logging for libraries: level, component, message. Libraries never print; apps/ chooses the sink
// (stderr).
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace hadal {

enum class LogLevel { debug, info, warning, error };

/// Sets the smallest level that is shown (default info). Thread-safe.
void set_log_level(LogLevel level);
void log_line(LogLevel level, std::string_view component, std::string_view message);

template <typename... Args>
void log_info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::info, component, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::warning, component, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hadal
