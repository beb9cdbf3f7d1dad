#include "chat/stop_filter.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

/// Length of the longest end of `text` that begins `stop`.
std::size_t overlap(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size()); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

std::string StopFilter::feed(std::string_view text) {
  if (stopped()) return {};
  held_ += text;
  std::size_t first = std::string::npos;
  std::size_t keep = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    const std::size_t place = held_.find(stop);
    if (place < first) {
      first = place;
      stopped_by_ = stop;
    }
    keep = std::max(keep, overlap(held_, stop));
  }
  if (first != std::string::npos) {
    held_.resize(first);
    keep = 0;
  }
  std::string safe = held_.substr(0, held_.size() - keep);
  held_.erase(0, safe.size());
  return safe;
}

std::string StopFilter::finish() {
  return std::exchange(held_, {});
}

}  // namespace hadal
