// Stop strings in a stream of text: holds back what may still become one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Feed text in any pieces; what comes back is safe to show. Once a stop string is complete,
/// everything from its beginning on is dropped. One thread.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  std::string feed(std::string_view text);
  /// The rest that was held back; call when the text ends.
  std::string finish();
  bool stopped() const { return stopped_by_.has_value(); }
  /// The stop string that was complete first (of several that begin there: the one listed first).
  const std::optional<std::string>& stopped_by() const { return stopped_by_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> stopped_by_;
};

}  // namespace hadal
