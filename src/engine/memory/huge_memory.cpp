#include "engine/memory/huge_memory.h"

#include <cstdint>
#include <new>
#include <utility>

#include <sys/mman.h>

namespace hadal {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

HugeMemory::HugeMemory(std::size_t n_bytes, PageSize pages) : size_(n_bytes) {
  const bool huge = pages == PageSize::huge && n_bytes >= kHugePage;
  mapping_size_ = n_bytes + (huge ? kHugePage : 0);
  mapping_ = ::mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  const std::size_t skip = huge ? (kHugePage - address % kHugePage) % kHugePage : 0;
  data_ = static_cast<std::byte*>(mapping_) + skip;
  if (huge) ::madvise(data_, size_, MADV_HUGEPAGE);  // a wish: refused where the system forbids it
}

HugeMemory::HugeMemory(HugeMemory&& other) noexcept {
  *this = std::move(other);
}

HugeMemory& HugeMemory::operator=(HugeMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_size_, other.mapping_size_);
  return *this;
}

HugeMemory::~HugeMemory() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_size_);
}

}  // namespace hadal
