// Durations as seconds, for reports.
#pragma once

#include <chrono>

namespace hadal {

inline double seconds_between(std::chrono::steady_clock::time_point a,
                              std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace hadal
