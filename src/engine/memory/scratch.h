// Working memory of one forward pass: a bump allocator that keeps its blocks between passes.
#pragma once

#include "engine/kernels/rows.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace hadal {

/// Buffers live until the Frame they were taken in ends. After the largest pass has run once
/// nothing is allocated any more. Contents are uninitialised. One thread (the engine's).
class Scratch {
 public:
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

  std::size_t capacity_bytes() const noexcept;

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };

  void* take(std::size_t n_bytes);

  std::vector<Block> blocks_;
  std::size_t block_ = 0;  ///< index of the block in use
  std::size_t used_ = 0;   ///< bytes taken from it
};

}  // namespace hadal
