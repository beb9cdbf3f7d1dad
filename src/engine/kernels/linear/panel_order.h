// Panel order: quantised weights rearranged so that integer products read them line by line,
// without a transposition (int8_layout.h). The bytes are those of the stored rows, no more and no
// fewer; only their places differ.
//   matrix = panels of 16 rows;   panel = units, columns ascending;   unit = lines of 64 bytes
//   line i = word i (4 bytes) of the unit of each of the 16 rows
// The unit of a row: `unit_blocks` stored blocks, their heads (scales whose bytes would break the
// grid of words) first, then their bodies, each as stored.
#pragma once

#include "engine/kernels/matrix_view.h"

#include <cstddef>

namespace hadal {

inline constexpr std::size_t kPanelRows = 16;

/// A stored block of a quantised type as panel order sees it; sizes in bytes.
struct StoredBlock {
  std::size_t columns = 0;
  std::size_t bytes = 0;       ///< from one block to the next in a stored row
  std::size_t head_bytes = 0;  ///< for fp4 the scale that stands beside the matrix
  std::size_t head_at = 0;
  std::size_t body_bytes = 0;
  std::size_t body_at = 0;
  std::size_t unit_blocks = 1;

  constexpr std::size_t head_words() const { return unit_blocks * head_bytes / 4; }
  constexpr std::size_t body_words() const { return body_bytes / 4; }
  constexpr std::size_t unit_words() const { return head_words() + unit_blocks * body_words(); }
  constexpr std::size_t unit_columns() const { return unit_blocks * columns; }
};

/// columns = 0 for types without integer products.
constexpr StoredBlock stored_block(DType type) {
  switch (type) {
    case DType::mxfp4:  // e8m0, 16 bytes of nibbles
      return {32, 17, 1, 0, 16, 1, 4};
    case DType::fp4:  // 16 bytes of nibbles, e8m0 apart
      return {32, 16, 1, 0, 16, 0, 4};
    case DType::q8_0:  // f16, 32 bytes
      return {32, 34, 2, 0, 32, 2, 2};
    case DType::q4_0:  // f16, 16 bytes of nibbles
      return {32, 18, 2, 0, 16, 2, 2};
    case DType::q4_k:  // whole words
      return {256, 144, 0, 0, 144, 0, 1};
    case DType::q5_k:
      return {256, 176, 0, 0, 176, 0, 1};
    case DType::q6_k:  // f16 at the end
      return {256, 210, 2, 208, 208, 0, 2};
    default:
      return {};
  }
}

/// Whether panel order exists for `stored`: a type with integer products, 16 rows and whole units.
bool can_arrange(const MatrixView& stored) noexcept;

/// Bytes of `stored` in panel order: those of its blocks.
std::size_t arranged_bytes(const MatrixView& stored) noexcept;

/// Panels [begin, end) of `stored` (can_arrange) into panel order; `out` is where panel 0 goes,
/// aligned to 64. Threads: disjoint ranges at the same time.
void arrange_panels(const MatrixView& stored, std::size_t begin, std::size_t end,
                    std::byte* out) noexcept;

/// The view of `stored` once its panels lie at `data`: order = panels, no scales apart, row_stride
/// = a sixteenth of a panel.
MatrixView arranged_view(const MatrixView& stored, const std::byte* data) noexcept;

}  // namespace hadal
