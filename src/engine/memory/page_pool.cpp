#include "engine/memory/page_pool.h"

#include "base/check.h"

#include <algorithm>
#include <limits>

namespace hadal {
namespace {

constexpr std::size_t kSlabBytes = std::size_t{2} << 20;

}  // namespace

PagePool::PagePool(std::size_t page_floats) : page_floats_(page_floats) {
  HADAL_CHECK(page_floats > 0, "pages hold something");
}

PagePool::Page PagePool::take() {
  if (free_.empty()) {
    add_slab(std::max<std::size_t>(kSlabBytes / (page_floats_ * sizeof(float)), 1));
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  n_users_[index] = 1;
  return Page(*this, index);
}

void PagePool::reserve(std::size_t n) {
  if (n > free_.size()) add_slab(n - free_.size());
}

void PagePool::add_slab(std::size_t n_pages) {
  const std::size_t first = n_users_.size();
  HADAL_CHECK(n_pages <= std::numeric_limits<std::uint32_t>::max() - first,
              "pages are numbered in 32 bits");
  // Normal pages: every store fills its own pages slowly, and huge ones would cost it 2 MiB at
  // once.
  slabs_.emplace_back(n_pages * page_floats_ * sizeof(float), PageSize::normal);
  n_users_.resize(first + n_pages, 0);
  addresses_.resize(first + n_pages);
  free_.reserve(first + n_pages);
  float* data = reinterpret_cast<float*>(slabs_.back().data());
  for (std::size_t i = 0; i < n_pages; ++i) addresses_[first + i] = data + i * page_floats_;
  for (std::size_t i = n_pages; i-- > 0;) free_.push_back(static_cast<std::uint32_t>(first + i));
}

}  // namespace hadal
