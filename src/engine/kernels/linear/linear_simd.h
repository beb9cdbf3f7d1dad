// Linear for one vector width; included by linear_avx2.cpp and linear_avx512.cpp alone.
#pragma once

#include "engine/kernels/linear/linear_tasks.h"
#include "engine/kernels/linear/linear_tile.h"
#include "engine/kernels/linear/with_decoder.h"

#include <cstring>
#include <type_traits>

namespace hadal {
namespace {

inline std::size_t min_of(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

// ---- decoding ----------------------------------------------------------------------------------

struct DecodeRun {
  const MatrixView& matrix;
  std::size_t row;
  std::size_t begin;
  std::size_t end;
  float* out;

  template <typename Decoder>
  void run() const {
    if constexpr (std::is_same_v<Decoder, AnyDecoder>) {
      decode_row(matrix, row, begin, end, out);
    } else {
      run_groups<Decoder>();
    }
  }

 private:
  template <typename Decoder>
  void run_groups() const {
    Decoder decoder;
    decoder.open(matrix, row);
    const std::size_t full = begin + (end - begin) / Simd::kLanes * Simd::kLanes;
    for (std::size_t group = begin; group < full; group += Decoder::kGroup) {
      const std::size_t group_end = min_of(group + Decoder::kGroup, full);
      if constexpr (std::is_same_v<Decoder, E4m3Decoder>) {
        if (decoder.has_nan(group, group_end)) {
          decode_row(matrix, row, group, group_end, out + (group - begin));
          continue;
        }
      }
      decoder.enter(group, group_end);
      for (std::size_t c = group; c < group_end; c += Simd::kLanes)
        Simd::store(out + (c - begin), decoder.at(c));
    }
    if (full < end) decode_row(matrix, row, full, end, out + (full - begin));
  }
};

/// Decoded columns of a few rows, for types that are not decoded beside the products.
class RowBuffer {
 public:
  static constexpr std::size_t kRows = 32;  ///< 64 KB: in L2 beside the tokens

  /// Columns [begin, end) of rows [row, row_end).
  template <typename Decoder>
  MatrixView fill(const MatrixView& m, std::size_t row, std::size_t row_end, std::size_t begin,
                  std::size_t end) {
    for (std::size_t r = row; r < row_end; ++r)
      DecodeRun{m, r, begin, end, data_[r - row]}.template run<Decoder>();
    return {.data = reinterpret_cast<const std::byte*>(data_),
            .rows = row_end - row,
            .cols = end - begin,
            .row_stride = sizeof(data_[0])};
  }

 private:
  alignas(64) float data_[kRows][kDotBlock];
};

// ---- lines to ask for --------------------------------------------------------------------------

constexpr std::size_t kLine = 64;

/// The lines of rows [row, row + n) in the order of their bytes, as memory likes it; the first are
/// wanted at column 0.
template <typename Decoder>
inline LinesAhead whole_rows_ahead(const MatrixView& m, std::size_t row, std::size_t n,
                                   std::size_t begin) {
  const std::size_t first = n * begin / Decoder::kLineColumns * kLine;
  return {.data = row_of(m, row) + first, .row_step = kLine, .line_step = n * kLine};
}

/// Decoded rows are in L1 or L2 already. A prefetch of address 0 would not be free: its page is
/// looked for each time.
inline LinesAhead buffered_ahead(const MatrixView& buffer, std::size_t row) {
  return {.data = row_of(buffer, row), .row_step = buffer.row_stride, .line_step = kLine};
}

// ---- one token ---------------------------------------------------------------------------------

struct OneRun {
  const LinearOneTask& task;

  template <typename Decoder>
  void run() const {
    const MatrixView& m = *task.weight;
    for (std::size_t row = task.row_begin; row < task.row_end; row += kRowTile) {
      float y[kRowTile];
      for (std::size_t begin = 0; begin < m.cols; begin += kDotBlock)
        four_rows<Decoder>(row, begin, min_of(begin + kDotBlock, m.cols), y);
      for (std::size_t r = 0; r < kRowTile && row + r < task.row_end; ++r) task.y[row + r] = y[r];
    }
  }

 private:
  template <typename Decoder>
  void four_rows(std::size_t row, std::size_t begin, std::size_t end, float (&y)[kRowTile]) const {
    const MatrixView& m = *task.weight;
    const PlainToken x{task.x + begin};
    const TileSums sums{.data = y, .add = begin != 0};
    if constexpr (std::is_same_v<Decoder, AnyDecoder>) {
      RowBuffer buffer;
      const std::size_t row_end = min_of(row + kRowTile, task.row_end);
      const MatrixView w = buffer.fill<Decoder>(m, row, row_end, begin, end);
      multiply_tile<F32Decoder, kRowTile>({w, 0, w.rows, 0, w.cols, buffered_ahead(w, 0)}, x, sums);
    } else {
      LinesAhead ahead = buffered_ahead(m, row);
      if constexpr (Decoder::kLineColumns != 0)
        ahead = whole_rows_ahead<Decoder>(m, row + kRowTile, kRowTile, begin);
      multiply_tile<Decoder, kRowTile>({m, row, task.row_end, begin, end, ahead}, x, sums);
    }
  }
};

// ---- packed tokens -----------------------------------------------------------------------------

/// The rows of one task, kDotBlock columns at a time: all tokens of a tile, which stay in L1, pass
/// the rows before the next tile does. Few tokens instead stay in L1 with all their columns while
/// each row is read from end to end, as memory likes it. Sums stay in a dense buffer until they are
/// complete: rows of y often lie a power of two apart, where a cache holds only a few of them.
template <typename Decoder, bool kBuffered>
class PackedTask {
 public:
  static constexpr std::size_t kMaxTokens = 12 * kLinearTokens;

  explicit PackedTask(const LinearPackedTask& task)
      : task_(task),
        whole_rows_(task.n_tokens * task.weight->cols <= kL1Floats),
        chunk_(whole_rows_ ? kRowTile
               : kBuffered ? RowBuffer::kRows
                           : kMaxRows) {}

  void run() {
    const std::size_t cols = task_.weight->cols;
    for (std::size_t row = task_.row_begin; row < task_.row_end; row += chunk_) {
      const std::size_t row_end = min_of(row + chunk_, task_.row_end);
      for (std::size_t begin = 0; begin < cols; begin += kDotBlock)
        multiply(row, row_end, begin, min_of(begin + kDotBlock, cols));
      store(row, row_end);
    }
  }

 private:
  static constexpr std::size_t kL1Floats = std::size_t{6} * 1024;
  static constexpr std::size_t kMaxRows = 64;

  void multiply(std::size_t row, std::size_t row_end, std::size_t begin, std::size_t end) {
    const MatrixView& m = *task_.weight;
    if constexpr (kBuffered) {
      const MatrixView w = buffer_.template fill<Decoder>(m, row, row_end, begin, end);
      all_tiles<F32Decoder>({w, 0, w.rows, 0, w.cols, {}}, begin);
    } else {
      all_tiles<Decoder>({m, row, row_end, begin, end, {}}, begin);
    }
  }

  /// @param begin  column of the tokens that meets the first of `w`.
  template <typename TileDecoder>
  void all_tiles(const TileWeights& w, std::size_t begin) {
    const std::size_t padded = round_up(task_.weight->cols, Simd::kLanes);
    const float* tile = task_.packed;
    for (std::size_t t = 0; t < task_.n_tokens; t += kLinearTokens) {
      const std::size_t n_tile = min_of(kLinearTokens, task_.n_tokens - t);
      const TileSums sums{.data = sums_ + t * kMaxRows, .add = begin != 0};
      tile_of<TileDecoder, kLinearTokens>(n_tile, w, tile + begin * n_tile, sums);
      tile += n_tile * padded;
    }
  }

  /// 1 <= n_tile <= T tokens times all rows of `w`.
  template <typename TileDecoder, std::size_t T>
  void tile_of(std::size_t n_tile, const TileWeights& w, const float* x,
               const TileSums& sums) const {
    if constexpr (T > 1) {
      if (n_tile < T) return tile_of<TileDecoder, T - 1>(n_tile, w, x, sums);
    }
    constexpr std::size_t kRows = rows_of_tile(T);
    for (std::size_t row = w.row; row < w.row_end; row += kRows) {
      LinesAhead ahead = buffered_ahead(w.matrix, row);
      if constexpr (!kBuffered)
        ahead = whole_rows_ ? whole_rows_ahead<TileDecoder>(w.matrix, row + kRows, kRows, w.begin)
                            : columns_ahead<T>(w, row);
      multiply_tile<TileDecoder, kRows>({w.matrix, row, w.row_end, w.begin, w.end, ahead},
                                        PackedTokens<T>{x},
                                        {sums.data + (row - w.row) * T, sums.add});
    }
  }

  /// The lines that are wanted some hundred cycles after row `row` of `w`: of later rows of the
  /// chunk; at its end of its first rows in the next columns; at the end of those of the next
  /// chunk.
  template <std::size_t T>
  LinesAhead columns_ahead(const TileWeights& w, std::size_t row) const {
    constexpr std::size_t kRowsAhead = T <= 2 ? 16 : 8;
    std::size_t next = row + kRowsAhead;
    std::size_t begin = w.begin;
    if (next >= w.row_end && w.end < w.matrix.cols) {
      next = min_of(next - w.row_end + w.row, w.row_end - 1);
      begin = w.end;
    } else if (next >= w.row_end) {
      begin = 0;
    }
    return {.data = row_of(w.matrix, next) + begin / Decoder::kLineColumns * kLine,
            .row_step = w.matrix.row_stride,
            .line_step = kLine};
  }

  void store(std::size_t row, std::size_t row_end) const {
    for (std::size_t first = 0; first < task_.n_tokens; first += kLinearTokens) {
      const std::size_t n_tile = min_of(kLinearTokens, task_.n_tokens - first);
      const std::size_t n_rows = rows_of_tile(n_tile);
      const float* sums = sums_ + first * kMaxRows;
      for (std::size_t r = row; r < row_end; r += n_rows)
        for (std::size_t t = first; t < first + n_tile; ++t, sums += n_rows)
          std::memcpy(task_.y + t * task_.y_stride + r, sums,
                      min_of(n_rows, row_end - r) * sizeof(float));
    }
  }

  struct NoBuffer {};

  const LinearPackedTask& task_;
  bool whole_rows_;
  std::size_t chunk_;
  std::conditional_t<kBuffered, RowBuffer, NoBuffer> buffer_;
  alignas(64) float sums_[kMaxTokens * kMaxRows];
};

struct PackedRun {
  const LinearPackedTask& task;

  template <typename Decoder>
  void run() const {
    if constexpr (Decoder::kBuffered == Buffered::always) {
      parts<PackedTask<Decoder, true>>();
    } else if (Decoder::kBuffered == Buffered::for_many_tokens && task.n_tokens > kLinearTokens) {
      parts<PackedTask<Decoder, true>>();
    } else {
      parts<PackedTask<Decoder, false>>();
    }
  }

 private:
  template <typename Task>
  void parts() const {
    for (std::size_t t = 0; t < task.n_tokens; t += Task::kMaxTokens) {
      LinearPackedTask part = task;
      part.n_tokens = min_of(Task::kMaxTokens, task.n_tokens - t);
      part.packed = task.packed + t * round_up(task.weight->cols, Simd::kLanes);
      part.y = task.y + t * task.y_stride;
      Task(part).run();
    }
  }
};

// ---- the table ---------------------------------------------------------------------------------

inline void pack_tokens(const float* const* rows, std::size_t n, std::size_t cols,
                        float* packed) noexcept {
  pack_tiles<kLinearTokens>(rows, n, cols, packed);
}

inline void decode_columns(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                           std::size_t col_end, float* out) noexcept {
  with_decoder(matrix, row, row + 1, DecodeRun{matrix, row, col_begin, col_end, out});
}

inline void linear_one(const LinearOneTask& task) noexcept {
  with_decoder(*task.weight, task.row_begin, task.row_end, OneRun{task});
}

inline void linear_packed(const LinearPackedTask& task) noexcept {
  with_decoder(*task.weight, task.row_begin, task.row_end, PackedRun{task});
}

inline std::size_t packed_floats(std::size_t cols) noexcept {
  return round_up(cols, Simd::kLanes);
}

constexpr LinearKernels kLinear = {.token_tile = kLinearTokens,
                                   .row_tile = kRowTile,
                                   .packed_floats = packed_floats,
                                   .pack_tokens = pack_tokens,
                                   .one = linear_one,
                                   .packed = linear_packed};

}  // namespace
}  // namespace hadal
