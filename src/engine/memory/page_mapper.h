// Maps the pages of weights before they are read. A page of a mapped file that lies in the page
// cache still costs a fault when it is touched first; a stream of first touches reads at half of
// the speed of memory, and with many experts every token touches pages that no token has touched
// before.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace hadal {

/// Works through the ranges in a thread of its own, which ends with them or with this object. Pages
/// that would have to be read from disk are left alone (they come when they are needed), and so is
/// everything when the ranges do not fit into memory. About 50 ms per GB. Nobody has to wait for
/// it: it changes when faults happen, nothing else. Needs Linux 5.14 (MADV_POPULATE_READ); without
/// it nothing happens.
class PageMapper {
 public:
  using Range = std::span<const std::byte>;

  /// The ranges must stay mapped as long as this lives.
  explicit PageMapper(std::vector<Range> ranges);
  ~PageMapper();
  PageMapper(const PageMapper&) = delete;
  PageMapper& operator=(const PageMapper&) = delete;

  /// Returns when all ranges have been worked through.
  void wait();

 private:
  void work() const;

  const std::vector<Range> ranges_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace hadal
