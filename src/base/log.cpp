#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

namespace hadal {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("hadal");
    made->set_pattern("%^%l%$ %v");
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// A message holds what clients sent: it must not end its line, and so forge another one, nor
/// move the cursor of whoever reads it.
std::string without_controls(std::string_view message) {
  std::string out;
  for (const char c : message) {
    if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

void log_line(LogLevel level, std::string_view component, std::string_view message) {
  const bool is_plain = std::none_of(message.begin(), message.end(), is_control);
  const std::string escaped = is_plain ? std::string() : without_controls(message);
  logger().log(to_spdlog(level), "{}: {}", component, is_plain ? message : escaped);
}

}  // namespace hadal
