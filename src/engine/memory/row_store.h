// Append-only compressed rows of one layer and sequence, in pages that snapshots and forks share.
#pragma once

#include "engine/kernels/rows.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace hadal {

/// Rows are never rewritten once they are below every sharer's size, so a copy of the store shares
/// its pages; a page that is still shared is cloned before the first write into it. Copy cost: one
/// pointer per page. Threads: a store and its copies belong to one thread (the engine's).
class RowStore {
 public:
  explicit RowStore(std::size_t width) : width_(width) {}

  std::size_t size() const noexcept { return n_; }
  std::size_t width() const noexcept { return width_; }
  void append(const float* row);
  /// Forgets rows from `n` on; n <= size().
  void truncate(std::size_t n);
  /// Valid until the next append or truncate.
  PagedRows view() const noexcept { return {pointers_.data(), kRowsPerPage, n_, width_}; }
  /// Bytes of the pages, shared ones included.
  std::size_t bytes() const noexcept {
    return pages_.size() * kRowsPerPage * width_ * sizeof(float);
  }

 private:
  static constexpr std::size_t kRowsPerPage = 32;

  std::size_t width_;
  std::size_t n_ = 0;
  std::vector<std::shared_ptr<float[]>> pages_;
  std::vector<const float*> pointers_;  ///< of pages_, as kernels want them
};

}  // namespace hadal
