// Integer products (int8_layout.h) for one vector width; included by the files of
// instruction sets alone (int8_*avx2.cpp, int8_*avx512.cpp).
#pragma once

#include "engine/kernels/linear/int8_activations.h"
#include "engine/kernels/linear/int8_k_quants.h"
#include "engine/kernels/linear/int8_matrix_tile.h"
#include "engine/kernels/linear/linear_tasks.h"

#include <cstring>

namespace hadal {
namespace {

/// Calls f.run<Unpacker>() with the unpacker of this matrix (has_int8_product).
template <typename F>
inline void with_unpacker(const MatrixView& m, const F& f) {
  switch (m.dtype) {
    case DType::q8_0:
      return f.template run<Q8Unpacker>();
    case DType::mxfp4:
      return f.template run<Mxfp4Unpacker>();
    case DType::q4_0:
      return f.template run<Q40Unpacker>();
    case DType::q4_k:
      return f.template run<Q4KUnpacker>();
    case DType::q5_k:
      return f.template run<Q5KUnpacker>();
    case DType::q6_k:
      return f.template run<Q6KUnpacker>();
    default:
      return f.template run<Fp4Unpacker>();
  }
}

/// Columns that are unpacked at a time.
constexpr std::size_t kPanelColumns = kPanelBlocks * kInt8Block;

/// Bytes of kPanelColumns columns of one row.
template <DType kType>
constexpr std::size_t piece_bytes() {
  constexpr StoredBlock kBlock = stored_block(kType);
  return kPanelColumns / kBlock.columns * kBlock.bytes;
}
/// The same in panel order.
template <DType kType>
constexpr std::size_t line_bytes() {
  constexpr StoredBlock kBlock = stored_block(kType);
  return kPanelColumns * kBlock.unit_words() * 4 / kBlock.unit_columns();
}

/// Calls f(rows, ahead) with kRows rows from `row` on; while their columns from block `first` on
/// are unpacked, `ahead` asks for the next ones of the same rows.
template <DType kType, typename F>
inline void with_columns(const MatrixView& m, std::size_t row, std::size_t first, const F& f) {
  const std::size_t piece = first / kPanelBlocks + 1;
  if (m.order == WeightOrder::panels) {
    const std::byte* panel = m.data + row * m.row_stride;
    const std::size_t n_bytes = line_bytes<kType>() * kPanelRows;
    f(PanelRows(m, row), LinearAhead(panel + piece * n_bytes, panel + (piece + 1) * n_bytes));
    return;
  }
  PiecesAhead ahead(m.data + row * m.row_stride + piece * piece_bytes<kType>(), m.row_stride,
                    m.cols > piece * kPanelColumns ? Int8Panel::kRows : 0, piece_bytes<kType>());
  if (row + Int8Panel::kRows <= m.rows) {
    f(FollowingRows(m, row), ahead);
  } else {
    f(LastRows(m, row), ahead);
  }
}

/// Calls f(rows, ahead) with kRows rows from `row` on that are unpacked from first to last column;
/// `ahead` asks for the rows below (sixteen streams of rows are too many for the hardware), or for
/// what follows in the one stream of panels. Rows below `row_end` are not asked for.
template <typename F>
inline void with_whole_rows(const MatrixView& m, std::size_t row, std::size_t row_end, const F& f) {
  constexpr std::size_t kAhead = 4 * 1024;
  const std::byte* end = m.data + row_end * m.row_stride;
  if (m.order == WeightOrder::panels) {
    f(PanelRows(m, row), LinearAhead(m.data + row * m.row_stride + kAhead, end));
    return;
  }
  const LinearAhead below(m.data + (row + Int8Panel::kRows) * m.row_stride, end);
  if (row + Int8Panel::kRows <= m.rows) {
    f(FollowingRows(m, row), below);
  } else {
    f(LastRows(m, row), below);
  }
}

inline std::size_t at_most(std::size_t n, std::size_t limit) {
  return n < limit ? n : limit;
}

/// A tile of packed tokens, from block `first`.
inline TileWords tile_words(const float* tile, std::size_t cols, std::size_t n_tile,
                            std::size_t first) {
  return {tile + first * kInt8Words * n_tile,
          tile + (cols / kInt8Block * kInt8Words + first * kInt8HalfWords) * n_tile};
}

/// Few tokens: a panel after the other, multiplied as it is unpacked.
template <std::size_t T, typename Unpacker>
class DirectTask {
 public:
  explicit DirectTask(const LinearPackedTask& task) : task_(task) {}

  void run() const {
    for (std::size_t row = task_.row_begin; row < task_.row_end; row += Int8Panel::kRows) {
      with_whole_rows(*task_.weight, row, task_.row_end, [&](const auto& rows, auto ahead) {
        Simd::Vec acc[T];
        HADAL_UNROLL
        for (std::size_t t = 0; t < T; ++t) acc[t] = Simd::zero();
        multiply(rows, ahead, acc);
        store(row, acc);
      });
    }
  }

 private:
  template <typename Rows, typename Ahead>
  void multiply(const Rows& rows, Ahead& ahead, Simd::Vec (&acc)[T]) const {
    const std::size_t cols = task_.weight->cols;
    const std::size_t n_blocks = cols / kInt8Block;
    BlockScales scales;
    for (std::size_t first = 0; first < n_blocks; first += kPanelBlocks) {
      const std::size_t n = at_most(n_blocks - first, kPanelBlocks);
      DirectSums<T, Unpacker> sums(tile_words(task_.packed, cols, T, first));
      Unpacker::unpack(rows, first, n, ahead, sums, scales);
      sums.add_to(acc, n, scales);
    }
  }

  void store(std::size_t row, const Simd::Vec (&acc)[T]) const {
    const std::size_t n_rows = at_most(task_.row_end - row, Int8Panel::kRows);
    for (std::size_t t = 0; t < T; ++t) {
      alignas(64) float y[Int8Panel::kRows];
      Simd::store(y, acc[t]);
      std::memcpy(task_.y + t * task_.y_stride + row, y, n_rows * sizeof(float));
    }
  }

  const LinearPackedTask& task_;
};

/// The last tile of a batch: 1 <= n_tile <= T tokens.
template <std::size_t T, typename Unpacker>
inline void panel_tile_of(std::size_t n_tile, const Int8Panel& panel, std::size_t n,
                          const TileWords& tile, const PanelSums& out) {
  if constexpr (T > 1) {
    if (n_tile < T) return panel_tile_of<T - 1, Unpacker>(n_tile, panel, n, tile, out);
  }
  panel_tile<T, Unpacker>(panel, n, tile, out);
}

/// Many tokens: 256 columns of up to four panels are unpacked into L1, and the tokens pass by. Sums
/// stay in a dense buffer until they are complete: rows of y often lie a power of two apart, where
/// a cache holds only a few of them.
template <typename Unpacker, typename Unit>
class PanelTask {
 public:
  static constexpr std::size_t kMaxTokens = 12 * 12;  ///< whole tiles of all variants

  explicit PanelTask(const LinearPackedTask& task) : task_(task) {}

  void run() {
    [[maybe_unused]] const typename Unit::Session session;
    if (task_.n_tokens <= Int8Simd::kTokenTile) {
      for (std::size_t row = task_.row_begin; row < task_.row_end; row += Int8Panel::kRows)
        whole_rows(row);
    } else {
      for (std::size_t row = task_.row_begin; row < task_.row_end; row += kMaxRows)
        many_rows(row, at_most(task_.row_end - row, kMaxRows));
    }
  }

 private:
  static constexpr std::size_t kMaxPanels = 4;
  static constexpr std::size_t kMaxRows = 256;

  /// One tile: the weights come from memory, as one stream.
  void whole_rows(std::size_t row) {
    with_whole_rows(*task_.weight, row, task_.row_end, [&](const auto& rows, auto ahead) {
      for (std::size_t first = 0; first < n_blocks(); first += kPanelBlocks) {
        const std::size_t n = at_most(n_blocks() - first, kPanelBlocks);
        Unpacker::unpack(rows, first, n, ahead, panels_[0], panels_[0].scales);
        multiply(0, 1, first, n);
      }
    });
    store(row, at_most(task_.row_end - row, Int8Panel::kRows));
  }

  /// Many tiles: a piece of the columns is the outer loop, so that its part of the tokens stays in
  /// L2 for all rows.
  void many_rows(std::size_t row, std::size_t n_rows) {
    constexpr std::size_t kRows = Int8Panel::kRows;
    for (std::size_t first = 0; first < n_blocks(); first += kPanelBlocks) {
      const std::size_t n = at_most(n_blocks() - first, kPanelBlocks);
      for (std::size_t r = 0; r < n_rows; r += kMaxPanels * kRows) {
        const std::size_t n_panels = at_most((n_rows - r + kRows - 1) / kRows, kMaxPanels);
        for (std::size_t p = 0; p < n_panels; ++p) {
          with_columns<Unpacker::kType>(
              *task_.weight, row + r + p * kRows, first, [&](const auto& rows, auto ahead) {
                Unpacker::unpack(rows, first, n, ahead, panels_[p], panels_[p].scales);
              });
        }
        multiply(r, n_panels, first, n);
      }
    }
    store(row, n_rows);
  }

  /// All tokens times the unpacked columns; their sums are those of rows [r, ..).
  void multiply(std::size_t r, std::size_t n_panels, std::size_t first, std::size_t n) {
    constexpr std::size_t kTile = Int8Simd::kTokenTile;
    const std::size_t cols = task_.weight->cols;
    const float* tile = task_.packed;
    for (std::size_t t = 0; t < task_.n_tokens; t += kTile) {
      const std::size_t n_tile = at_most(task_.n_tokens - t, kTile);
      const TileWords words = tile_words(tile, cols, n_tile, first);
      const auto sums = [&](std::size_t p) {
        return PanelSums{.data = sums_ + t * kMaxRows + r + p * Int8Panel::kRows,
                         .stride = kMaxRows,
                         .add = first != 0};
      };
      if constexpr (Unit::kExists) {
        if (n_tile == kTile) tokens_.gather(words, n);
      }
      for (std::size_t p = 0; p < n_panels; ++p) {
        if constexpr (Unit::kExists) {
          if (n_tile == kTile) {
            matrix_tile<Unit, Unpacker>(panels_[p], n, tokens_, words, sums(p));
            continue;
          }
        }
        panel_tile_of<kTile, Unpacker>(n_tile, panels_[p], n, words, sums(p));
      }
      tile += n_tile * packed_words(cols);
    }
  }

  void store(std::size_t row, std::size_t n_rows) const {
    for (std::size_t t = 0; t < task_.n_tokens; ++t)
      std::memcpy(task_.y + t * task_.y_stride + row, sums_ + t * kMaxRows, n_rows * sizeof(float));
  }
  std::size_t n_blocks() const { return task_.weight->cols / kInt8Block; }

  const LinearPackedTask& task_;
  Int8Panel panels_[kMaxPanels];
  TokenRows tokens_;  ///< of the present tile, for matrix units
  alignas(64) float sums_[kMaxTokens * kMaxRows];
};

template <typename Unit>
struct Int8Run {
  static constexpr std::size_t kDirectTokens = 4;  ///< sums of more do not stay in registers

  const LinearPackedTask& task;

  template <typename Unpacker>
  void run() const {
    if (task.n_tokens <= kDirectTokens && task.n_tokens <= Int8Simd::kTokenTile)
      return direct<kDirectTokens, Unpacker>();
    constexpr std::size_t kStep = PanelTask<Unpacker, Unit>::kMaxTokens;
    for (std::size_t t = 0; t < task.n_tokens; t += kStep) {
      LinearPackedTask part = task;
      part.n_tokens = at_most(task.n_tokens - t, kStep);
      part.packed = task.packed + t * packed_words(task.weight->cols);
      part.y = task.y + t * task.y_stride;
      PanelTask<Unpacker, Unit>(part).run();
    }
  }

 private:
  template <std::size_t T, typename Unpacker>
  void direct() const {
    if constexpr (T > 1) {
      if (task.n_tokens < T) return direct<T - 1, Unpacker>();
    }
    DirectTask<T, Unpacker>(task).run();
  }
};

template <typename Unit>
inline void int8_packed(const LinearPackedTask& task) noexcept {
  with_unpacker(*task.weight, Int8Run<Unit>{task});
}

template <typename Unit>
constexpr LinearKernels int8_kernels() {
  return {.token_tile = Int8Simd::kTokenTile,
          .row_tile = kPanelRows,
          .packed_floats = packed_words,
          .pack_tokens = pack_tokens,
          .one = nullptr,
          .packed = int8_packed<Unit>};
}

}  // namespace
}  // namespace hadal
