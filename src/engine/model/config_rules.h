// The rules a model shape must keep, and a message that names every one it breaks.
#pragma once

#include "base/result.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace hadal {

/// Collects violated rules as one readable list.
class ConfigRules {
 public:
  template <typename... Args>
  void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (holds) return;
    if (!text_.empty()) text_ += "; ";
    text_ += fmt::format(format, std::forward<Args>(args)...);
  }
  void in_range(std::string_view key, std::size_t value, std::size_t least, std::size_t most) {
    require(value >= least && value <= most, "{} must be between {} and {}, found {}", key, least,
            most, value);
  }
  void positive(std::string_view key, double value, double most) {
    require(std::isfinite(value) && value > 0.0 && value <= most,
            "{} must be above 0 and at most {}, found {}", key, most, value);
  }
  Result<void> result(std::string_view source) const {
    if (text_.empty()) return {};
    return error(ErrorCode::invalid_argument, "{}: this model shape cannot be run: {}", source,
                 text_);
  }

 private:
  std::string text_;
};

}  // namespace hadal
