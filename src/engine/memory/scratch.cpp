#include "engine/memory/scratch.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallestBlock = std::size_t{1} << 20;

std::size_t aligned_offset(const std::byte* base, std::size_t offset) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(base) + offset;
  return offset + (kAlignment - address % kAlignment) % kAlignment;
}

}  // namespace

void* Scratch::take(std::size_t n_bytes) {
  for (; block_ < blocks_.size(); ++block_, used_ = 0) {
    Block& block = blocks_[block_];
    const std::size_t begin = aligned_offset(block.bytes.get(), used_);
    if (begin + n_bytes <= block.size) {
      used_ = begin + n_bytes;
      return block.bytes.get() + begin;
    }
  }
  const std::size_t size = std::max({kSmallestBlock, 2 * capacity_bytes(), n_bytes + kAlignment});
  blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
  const std::size_t begin = aligned_offset(blocks_.back().bytes.get(), 0);
  used_ = begin + n_bytes;
  return blocks_.back().bytes.get() + begin;
}

std::size_t Scratch::capacity_bytes() const noexcept {
  std::size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

}  // namespace hadal
