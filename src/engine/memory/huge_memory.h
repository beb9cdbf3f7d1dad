// Anonymous memory straight from the system: zeroed, committed page by page on first touch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hadal {

enum class PageSize : std::uint8_t { normal, huge /* asked for, where the system allows it */ };

/// Owns a mapping. Untouched parts cost address space alone, so planning generously is free.
class HugeMemory {
 public:
  HugeMemory() = default;
  /// `n_bytes` > 0, aligned to 2 MiB for huge pages, else to 4 KiB. Throws std::bad_alloc.
  HugeMemory(std::size_t n_bytes, PageSize pages);
  HugeMemory(HugeMemory&& other) noexcept;
  HugeMemory& operator=(HugeMemory&& other) noexcept;
  ~HugeMemory();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;  ///< what was mapped: data_ lies in it, aligned
  std::size_t mapping_size_ = 0;
};

}  // namespace hadal
