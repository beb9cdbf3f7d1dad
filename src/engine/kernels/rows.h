// Non-owning views that operators take: rows of floats with a stride, and rows that lie in pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hadal {

/// `n` rows of `width` elements; row i starts at data + i * stride. Non-owning.
template <typename T>
struct Rows {
  T* data = nullptr;
  std::size_t n = 0;
  std::size_t width = 0;
  std::size_t stride = 0;

  T* operator[](std::size_t i) const noexcept { return data + i * stride; }
  operator Rows<const T>() const noexcept { return {data, n, width, stride}; }
  /// Columns [begin, begin + count) of every row.
  Rows columns(std::size_t begin, std::size_t count) const noexcept {
    return {data + begin, n, count, stride};
  }
  /// Rows [begin, begin + count).
  Rows slice(std::size_t begin, std::size_t count) const noexcept {
    return {data + begin * stride, count, width, stride};
  }
};

/// Dense rows: stride = width.
template <typename T>
Rows<T> dense_rows(T* data, std::size_t n, std::size_t width) noexcept {
  return {data, n, width, width};
}

/// Append-only compressed rows of one layer and sequence, stored in pages of `rows_per_page` rows.
struct PagedRows {
  const float* const* pages = nullptr;
  std::size_t rows_per_page = 1;
  std::size_t n = 0;
  std::size_t width = 0;

  const float* operator[](std::size_t i) const noexcept {
    return pages[i / rows_per_page] + (i % rows_per_page) * width;
  }
};

/// Rows [begin, end).
struct RowRange {
  std::uint32_t begin;
  std::uint32_t end;

  bool operator==(const RowRange&) const = default;
  std::size_t size() const noexcept { return end - begin; }
};

/// Rows addressed by absolute token position: positions from `chunk_start` on lie in this step's
/// `chunk`, earlier ones in a ring that holds the last `ring_rows` positions (row of position p at
/// slot p mod ring_rows).
struct PositionRows {
  const float* ring = nullptr;
  std::size_t ring_rows = 1;
  const float* chunk = nullptr;
  std::size_t chunk_start = 0;
  std::size_t width = 0;

  const float* operator[](std::size_t position) const noexcept {
    return position >= chunk_start ? chunk + (position - chunk_start) * width
                                   : ring + (position % ring_rows) * width;
  }
};

}  // namespace hadal
