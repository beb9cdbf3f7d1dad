// How far a long write is.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include <unistd.h>

namespace hadal {

/// One line on stderr that tells how far a long write is. On a terminal it is redrawn, in a log it
/// is a line per tenth.
class ByteProgress {
 public:
  void update(std::uint64_t done, std::uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> since_start = now - start_;
    if (total < kSmall || now - last_ < (is_terminal_ ? kRedraw : std::chrono::milliseconds(0)))
      return;
    const auto tenth = done * 10 / total;
    if (!is_terminal_ && tenth == tenth_) return;
    last_ = now;
    tenth_ = tenth;
    const double speed = static_cast<double>(done) / std::max(since_start.count(), 1e-3);
    fmt::print(stderr, "{}{:3.0f} %  {:.2f} of {:.2f} GB  {:.0f} MB/s  {:.0f} s left{}",
               is_terminal_ ? "\r" : "",
               100.0 * static_cast<double>(done) / static_cast<double>(total),
               static_cast<double>(done) / 1e9, static_cast<double>(total) / 1e9, speed / 1e6,
               static_cast<double>(total - done) / speed, is_terminal_ ? "   " : "\n");
    needs_newline_ = is_terminal_;
  }
  ~ByteProgress() { end(); }
  /// What is printed next begins on a line of its own.
  void end() {
    if (needs_newline_) fmt::print(stderr, "\n");
    needs_newline_ = false;
  }

 private:
  static constexpr std::uint64_t kSmall = 200'000'000;
  static constexpr std::chrono::milliseconds kRedraw{200};

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = start_;
  std::uint64_t tenth_ = 0;
  bool is_terminal_ = isatty(STDERR_FILENO) != 0;
  bool needs_newline_ = false;
};

}  // namespace hadal
