#include "engine/memory/row_store.h"

#include "base/check.h"
#include "base/checked_math.h"

#include <algorithm>

namespace hadal {

void RowStore::append(const float* row) {
  const std::size_t page = n_ / kRowsPerPage;
  if (page == pages_.size()) {
    pages_.push_back(std::make_shared_for_overwrite<float[]>(kRowsPerPage * width_));
    pointers_.push_back(pages_.back().get());
  } else if (pages_[page].use_count() > 1) {  // a snapshot still reads this page
    auto clone = std::make_shared_for_overwrite<float[]>(kRowsPerPage * width_);
    std::copy_n(pages_[page].get(), (n_ % kRowsPerPage) * width_, clone.get());
    pages_[page] = std::move(clone);
    pointers_[page] = pages_[page].get();
  }
  std::copy_n(row, width_, pages_[page].get() + (n_ % kRowsPerPage) * width_);
  ++n_;
}

void RowStore::truncate(std::size_t n) {
  HADAL_CHECK(n <= n_, "rows can only be forgotten");
  n_ = n;
  const std::size_t n_pages = ceil_div(n, kRowsPerPage);
  pages_.resize(n_pages);
  pointers_.resize(n_pages);
}

}  // namespace hadal
