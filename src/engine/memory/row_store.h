// Append-only compressed rows of one layer and sequence, in pages that snapshots and forks share.
#pragma once

#include "engine/kernels/rows.h"
#include "engine/memory/page_pool.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace hadal {

/// Rows are never rewritten once they are below every sharer's size, so a copy of the store shares
/// its pages; a page that is still shared is cloned before the first write into it. Copy cost: one
/// pointer per page. Threads: all stores of a pool belong to one thread (the engine's).
class RowStore {
 public:
  static constexpr std::size_t kRowsPerPage = 32;

  /// A store with a pool of its own.
  explicit RowStore(std::size_t width)
      : RowStore(width, std::make_shared<PagePool>(kRowsPerPage * width)) {}
  /// Pages come from `pool`, which stores of the same width share; the last of them ends it.
  RowStore(std::size_t width, std::shared_ptr<PagePool> pool);
  /// Shares the pages with rows in them; reserved ones stay with the original.
  RowStore(const RowStore& other);
  RowStore& operator=(const RowStore& other);
  RowStore(RowStore&&) noexcept = default;
  RowStore& operator=(RowStore&&) noexcept = default;

  std::size_t size() const noexcept { return n_; }
  std::size_t width() const noexcept { return width_; }
  /// Takes the pages for `n_rows` rows now: until then append allocates nothing, apart from the
  /// clone of a page that a snapshot shares. Untouched pages cost address space alone.
  void reserve(std::size_t n_rows);
  void append(const float* row);
  /// Forgets rows from `n` on; n <= size(). Their pages stay with the store.
  void truncate(std::size_t n);
  /// Valid until the next append, reserve or truncate.
  PagedRows view() const noexcept { return {pointers_.data(), kRowsPerPage, n_, width_}; }
  /// Bytes of the pages with rows in them, shared ones included.
  std::size_t bytes() const noexcept { return bytes_for(n_); }
  /// Of the pages that `n_rows` rows need.
  std::size_t bytes_for(std::size_t n_rows) const noexcept;

 private:
  std::size_t n_used_pages() const noexcept { return (n_ + kRowsPerPage - 1) / kRowsPerPage; }

  std::size_t width_;
  std::size_t n_ = 0;
  std::shared_ptr<PagePool> pool_;      ///< outlives pages_
  std::vector<PagePool::Page> pages_;   ///< used ones, then reserved ones
  std::vector<const float*> pointers_;  ///< of pages_, as kernels want them
};

}  // namespace hadal
