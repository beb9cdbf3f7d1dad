// Integer products (int8_layout.h) for one vector width; included by int8_avx2.cpp and
// int8_avx512.cpp alone.
#pragma once

#include "engine/kernels/linear/int8_activations.h"
#include "engine/kernels/linear/int8_k_quants.h"
#include "engine/kernels/linear/int8_tile.h"
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

/// Calls f(rows) with the rows that begin at `row`.
template <typename F>
inline void with_rows(const MatrixView& m, std::size_t row, const F& f) {
  if (m.order == WeightOrder::panels) {
    f(PanelRows(m, row));
  } else if (row + Int8Panel::kRows <= m.rows) {
    f(FollowingRows(m, row));
  } else {
    f(LastRows(m, row));
  }
}

/// The bytes to ask for while `step` rows from `row` are unpacked: those of the rows below, since
/// sixteen streams of rows are too many for the hardware.
inline Prefetcher rows_below(const LinearPackedTask& task, std::size_t row, std::size_t step) {
  const MatrixView& m = *task.weight;
  return {m.data + (row + step) * m.row_stride, m.data + task.row_end * m.row_stride};
}

/// In panel order: what follows block `first` in the one stream of the panel.
template <typename Unpacker>
inline Prefetcher panel_ahead(const LinearPackedTask& task, std::size_t row, std::size_t first) {
  constexpr std::size_t kAhead = 4 * 1024;
  constexpr StoredBlock kBlock = stored_block(Unpacker::kType);
  const MatrixView& m = *task.weight;
  const std::size_t unit = first * kInt8Block / kBlock.unit_columns();
  return {m.data + row * m.row_stride + unit * kBlock.unit_words() * 4 * kPanelRows + kAhead,
          m.data + task.row_end * m.row_stride};
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
    constexpr std::size_t kRows = Int8Panel::kRows;
    for (std::size_t row = task_.row_begin; row < task_.row_end; row += kRows) {
      with_rows(*task_.weight, row, [&](const auto& rows) {
        Simd::Vec acc[T];
        HADAL_UNROLL
        for (std::size_t t = 0; t < T; ++t) acc[t] = Simd::zero();
        multiply(rows,
                 task_.weight->order == WeightOrder::panels ? panel_ahead<Unpacker>(task_, row, 0)
                                                            : rows_below(task_, row, kRows),
                 acc);
        store(row, acc);
      });
    }
  }

 private:
  template <typename Rows>
  void multiply(const Rows& rows, Prefetcher ahead, Simd::Vec (&acc)[T]) const {
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

/// Many tokens: 256 columns of up to four panels are unpacked into L1, so that the tokens come from
/// L2 a quarter as often as with one panel. Sums stay in a dense buffer until they are complete:
/// rows of y often lie a power of two apart, where a cache holds only a few of them.
template <typename Unpacker>
class PanelTask {
 public:
  static constexpr std::size_t kMaxTokens = 12 * 12;  ///< whole tiles of all variants

  explicit PanelTask(const LinearPackedTask& task)
      : task_(task), n_panels_(task.n_tokens <= Int8Simd::kTokenTile ? 1 : kMaxPanels) {}

  void run() {
    const std::size_t step = n_panels_ * Int8Panel::kRows;
    const std::size_t n_blocks = task_.weight->cols / kInt8Block;
    for (std::size_t row = task_.row_begin; row < task_.row_end; row += step) {
      const std::size_t n_rows = at_most(task_.row_end - row, step);
      const std::size_t n_panels = (n_rows + Int8Panel::kRows - 1) / Int8Panel::kRows;
      Prefetcher below = rows_below(task_, row, step);
      for (std::size_t first = 0; first < n_blocks; first += kPanelBlocks) {
        const std::size_t n = at_most(n_blocks - first, kPanelBlocks);
        for (std::size_t p = 0; p < n_panels; ++p)
          unpack(row + p * Int8Panel::kRows, first, n, below, panels_[p]);
        multiply(n_panels, first, n);
      }
      store(row, n_rows);
    }
  }

 private:
  static constexpr std::size_t kMaxPanels = 4;
  static constexpr std::size_t kSumStride = kMaxPanels * Int8Panel::kRows;

  void unpack(std::size_t row, std::size_t first, std::size_t n, Prefetcher& below,
              Int8Panel& panel) const {
    if (task_.weight->order == WeightOrder::panels) {
      Prefetcher ahead = panel_ahead<Unpacker>(task_, row, first);
      Unpacker::unpack(PanelRows(*task_.weight, row), first, n, ahead, panel, panel.scales);
    } else {
      with_rows(*task_.weight, row, [&](const auto& rows) {
        Unpacker::unpack(rows, first, n, below, panel, panel.scales);
      });
    }
  }

  /// All tokens times the unpacked columns.
  void multiply(std::size_t n_panels, std::size_t first, std::size_t n) {
    constexpr std::size_t kTile = Int8Simd::kTokenTile;
    const std::size_t cols = task_.weight->cols;
    const float* tile = task_.packed;
    for (std::size_t t = 0; t < task_.n_tokens; t += kTile) {
      const std::size_t n_tile = at_most(task_.n_tokens - t, kTile);
      const TileWords words = tile_words(tile, cols, n_tile, first);
      for (std::size_t p = 0; p < n_panels; ++p) {
        float* sums = sums_ + t * kSumStride + p * Int8Panel::kRows;
        panel_tile_of<kTile, Unpacker>(n_tile, panels_[p], n, words,
                                       {.data = sums, .stride = kSumStride, .add = first != 0});
      }
      tile += n_tile * packed_words(cols);
    }
  }

  void store(std::size_t row, std::size_t n_rows) const {
    for (std::size_t t = 0; t < task_.n_tokens; ++t)
      std::memcpy(task_.y + t * task_.y_stride + row, sums_ + t * kSumStride,
                  n_rows * sizeof(float));
  }

  const LinearPackedTask& task_;
  std::size_t n_panels_;  ///< at a time; one for one tile, whose weights come from memory
  Int8Panel panels_[kMaxPanels];
  alignas(64) float sums_[kMaxTokens * kSumStride];
};

struct Int8Run {
  static constexpr std::size_t kDirectTokens = 4;  ///< sums of more do not stay in registers

  const LinearPackedTask& task;

  template <typename Unpacker>
  void run() const {
    if (task.n_tokens <= kDirectTokens && task.n_tokens <= Int8Simd::kTokenTile)
      return direct<kDirectTokens, Unpacker>();
    constexpr std::size_t kStep = PanelTask<Unpacker>::kMaxTokens;
    for (std::size_t t = 0; t < task.n_tokens; t += kStep) {
      LinearPackedTask part = task;
      part.n_tokens = at_most(task.n_tokens - t, kStep);
      part.packed = task.packed + t * packed_words(task.weight->cols);
      part.y = task.y + t * task.y_stride;
      PanelTask<Unpacker>(part).run();
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

inline void int8_packed(const LinearPackedTask& task) noexcept {
  with_unpacker(*task.weight, Int8Run{task});
}

constexpr LinearKernels kInt8 = {.token_tile = Int8Simd::kTokenTile,
                                 .row_tile = kPanelRows,
                                 .packed_floats = packed_words,
                                 .pack_tokens = pack_tokens,
                                 .one = nullptr,
                                 .packed = int8_packed};

}  // namespace
}  // namespace hadal
