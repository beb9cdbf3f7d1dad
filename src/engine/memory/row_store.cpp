#include "engine/memory/row_store.h"

#include "base/check.h"
#include "base/checked_math.h"

#include <algorithm>

namespace hadal {

RowStore::RowStore(std::size_t width, std::shared_ptr<PagePool> pool)
    : width_(width), pool_(std::move(pool)) {
  HADAL_CHECK(pool_->page_floats() == kRowsPerPage * width, "the pool's pages hold rows this wide");
}

RowStore::RowStore(const RowStore& other)
    : width_(other.width_),
      n_(other.n_),
      pool_(other.pool_),
      pages_(other.pages_.begin(),
             other.pages_.begin() + static_cast<std::ptrdiff_t>(other.n_used_pages())),
      pointers_(other.pointers_.begin(),
                other.pointers_.begin() + static_cast<std::ptrdiff_t>(other.n_used_pages())) {}

RowStore& RowStore::operator=(const RowStore& other) {
  if (this != &other) *this = RowStore(other);
  return *this;
}

void RowStore::reserve(std::size_t n_rows) {
  const std::size_t n_pages = ceil_div(n_rows, kRowsPerPage);
  if (n_pages <= pages_.size()) return;
  pool_->reserve(n_pages - pages_.size());
  pages_.reserve(n_pages);
  pointers_.reserve(n_pages);
  while (pages_.size() < n_pages) {
    pages_.push_back(pool_->take());
    pointers_.push_back(pages_.back().data());
  }
}

void RowStore::append(const float* row) {
  const std::size_t page = n_ / kRowsPerPage;
  if (page == pages_.size()) {
    pages_.push_back(pool_->take());
    pointers_.push_back(pages_.back().data());
  } else if (pages_[page].is_shared()) {  // a snapshot still reads this page
    PagePool::Page clone = pool_->take();
    std::copy_n(pages_[page].data(), (n_ % kRowsPerPage) * width_, clone.data());
    pages_[page] = std::move(clone);
    pointers_[page] = pages_[page].data();
  }
  std::copy_n(row, width_, pages_[page].data() + (n_ % kRowsPerPage) * width_);
  ++n_;
}

void RowStore::truncate(std::size_t n) {
  HADAL_CHECK(n <= n_, "rows can only be forgotten");
  n_ = n;
}

std::size_t RowStore::bytes_for(std::size_t n_rows) const noexcept {
  return ceil_div(n_rows, kRowsPerPage) * kRowsPerPage * width_ * sizeof(float);
}

}  // namespace hadal
