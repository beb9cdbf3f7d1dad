// Working memory of one forward pass: a bump allocator that keeps its blocks between passes.
#pragma once

#include "engine/kernels/rows.h"
#include "engine/memory/huge_memory.h"

#include <cstddef>
#include <vector>

namespace hadal {

/// Buffers live until the Frame they were taken in ends. With the planned size reserved
/// (model/memory_plan.h) there is one block, in huge pages where the system allows them, and passes
/// allocate nothing; a larger pass adds blocks. Contents are unspecified. One thread (the
/// engine's).
class Scratch {
 public:
  static constexpr std::size_t kAlignment = 64;

  /// Everything taken while a Frame lives is given back when it ends.
  class Frame {
   public:
    explicit Frame(Scratch& scratch)
        : scratch_(scratch), block_(scratch.block_), used_(scratch.used_) {}
    ~Frame() {
      scratch_.block_ = block_;
      scratch_.used_ = used_;
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Scratch& scratch_;
    std::size_t block_;
    std::size_t used_;
  };

  /// Dense [n, width] of a trivial type, 64-byte aligned.
  template <typename T = float>
  Rows<T> rows(std::size_t n, std::size_t width) {
    return dense_rows(static_cast<T*>(take(n * width * sizeof(T))), n, width);
  }

  /// Makes one block of at least `n_bytes`. Nothing may be taken at the time.
  void reserve(std::size_t n_bytes);

  std::size_t capacity_bytes() const noexcept;
  /// Most bytes that were ever taken at one time, alignment included.
  std::size_t peak_bytes() const noexcept { return peak_; }

 private:
  void* take(std::size_t n_bytes);

  std::vector<HugeMemory> blocks_;
  std::size_t block_ = 0;  ///< index of the block in use
  std::size_t used_ = 0;   ///< bytes taken from it
  std::size_t peak_ = 0;
};

}  // namespace hadal
