// The last `capacity` rows of a sequence, addressed by absolute position.
#pragma once

#include "engine/kernels/rows.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace hadal {

/// Row of position p lies at slot p mod capacity. Because slots are found by position alone,
/// rolling back by at most (capacity - rows that are needed) tokens needs no work at all: the older
/// rows are still there.
class PositionRing {
 public:
  PositionRing(std::size_t capacity, std::size_t width)
      : capacity_(capacity), width_(width), data_(capacity * width) {}

  /// Stores rows of positions [start, start + rows.n); of a longer chunk only the last `capacity`
  /// survive.
  void write(std::size_t start, Rows<const float> rows) {
    for (std::size_t i = rows.n > capacity_ ? rows.n - capacity_ : 0; i < rows.n; ++i) {
      std::copy_n(rows[i], width_, data_.data() + ((start + i) % capacity_) * width_);
    }
  }

  /// Earlier positions from this ring, positions from `chunk_start` on from the dense `chunk` of
  /// the running step.
  PositionRows view(const float* chunk, std::size_t chunk_start) const noexcept {
    return {data_.data(), capacity_, chunk, chunk_start, width_};
  }

  /// [capacity * width], by slot: for snapshots on disk.
  std::span<const float> slots() const noexcept { return data_; }
  std::span<float> slots() noexcept { return data_; }

  std::size_t bytes() const noexcept { return data_.size() * sizeof(float); }

 private:
  std::size_t capacity_;
  std::size_t width_;
  std::vector<float> data_;
};

}  // namespace hadal
