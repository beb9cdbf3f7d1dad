#include "engine/memory/scratch.h"

#include "base/check.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr std::size_t kSmallestBlock = std::size_t{1} << 20;

std::size_t round_up(std::size_t n, std::size_t step) noexcept {
  return (n + step - 1) / step * step;
}

}  // namespace

void Scratch::reserve(std::size_t n_bytes) {
  HADAL_CHECK(block_ == 0 && used_ == 0, "nothing is taken from scratch memory that is replaced");
  if (blocks_.size() == 1 && blocks_.front().size() >= n_bytes) return;
  blocks_.clear();
  blocks_.emplace_back(std::max(n_bytes, kSmallestBlock), PageSize::huge);
}

void* Scratch::take(std::size_t n_bytes) {
  n_bytes = round_up(n_bytes, kAlignment);  // blocks begin aligned
  std::size_t before = 0;                   // in the blocks that this one follows
  for (std::size_t i = 0; i < block_; ++i) before += blocks_[i].size();
  for (; block_ < blocks_.size(); before += blocks_[block_].size(), ++block_, used_ = 0) {
    if (used_ + n_bytes <= blocks_[block_].size()) break;
  }
  if (block_ == blocks_.size()) {
    blocks_.emplace_back(std::max({kSmallestBlock, 2 * capacity_bytes(), n_bytes}), PageSize::huge);
  }
  std::byte* taken = blocks_[block_].data() + used_;
  used_ += n_bytes;
  peak_ = std::max(peak_, before + used_);
  return taken;
}

std::size_t Scratch::capacity_bytes() const noexcept {
  std::size_t total = 0;
  for (const HugeMemory& block : blocks_) total += block.size();
  return total;
}

}  // namespace hadal
