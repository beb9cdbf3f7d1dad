#include "depth_range.h"

#include "worlds/world.h"

#include <charconv>

namespace hadal {

Result<DepthRange> parse_depths(const std::string& text) {
  DepthRange range;
  const char* const end = text.data() + text.size();
  auto [at, failure] = std::from_chars(text.data(), end, range.first);
  range.last = range.first;
  if (failure == std::errc() && at != end && *at == '-') {
    const auto last = std::from_chars(at + 1, end, range.last);
    at = last.ptr;
    failure = last.ec;
  }
  if (failure != std::errc() || at != end || range.first < 1 || range.last < range.first ||
      range.last > worlds::kMaxDepth)
    return error(ErrorCode::invalid_argument,
                 "depths '{}': expected a number or a range within 1-{}, as 3 or 1-8", text,
                 worlds::kMaxDepth);
  return range;
}

}  // namespace hadal
