// Pages of one size for the rows that sequences remember: one pool per kind of row.
#pragma once

#include "engine/memory/huge_memory.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace hadal {

/// Pages come from slabs that the pool keeps until it ends; a page that nobody refers to any more
/// is the next to be taken. The pool must outlive its pages (RowStore shares its ownership). One
/// thread (the engine's).
class PagePool {
 public:
  /// A counted reference: copies share the page.
  class Page {
   public:
    Page() = default;
    Page(const Page& other) noexcept : pool_(other.pool_), index_(other.index_) {
      if (pool_ != nullptr) ++pool_->n_users_[index_];
    }
    Page(Page&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
    Page& operator=(Page other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(index_, other.index_);
      return *this;
    }
    ~Page() {
      if (pool_ != nullptr && --pool_->n_users_[index_] == 0) pool_->free_.push_back(index_);
    }

    float* data() const noexcept { return pool_->address(index_); }
    bool is_shared() const noexcept { return pool_->n_users_[index_] > 1; }

   private:
    friend class PagePool;
    Page(PagePool& pool, std::uint32_t index) : pool_(&pool), index_(index) {}

    PagePool* pool_ = nullptr;
    std::uint32_t index_ = 0;
  };

  explicit PagePool(std::size_t page_floats);
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  std::size_t page_floats() const noexcept { return page_floats_; }
  /// Contents unspecified. Allocates (a slab) only when no page is free.
  Page take();
  /// Makes `n` pages free at once: the next n takes allocate nothing.
  void reserve(std::size_t n);

  std::size_t n_free() const noexcept { return free_.size(); }
  std::size_t n_pages() const noexcept { return n_users_.size(); }
  /// Of the pages that somebody holds.
  std::size_t bytes_in_use() const noexcept {
    return (n_pages() - n_free()) * page_floats_ * sizeof(float);
  }

 private:
  float* address(std::size_t index) const noexcept { return addresses_[index]; }
  void add_slab(std::size_t n_pages);

  std::size_t page_floats_;
  std::vector<HugeMemory> slabs_;
  std::vector<float*> addresses_;       ///< [n_pages]
  std::vector<std::uint32_t> n_users_;  ///< [n_pages]
  std::vector<std::uint32_t> free_;     ///< a stack; its capacity is n_pages, so giving back never
                                        ///< allocates
};

}  // namespace hadal
