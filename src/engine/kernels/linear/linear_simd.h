// Linear for one vector width; included by linear_avx2.cpp and linear_avx512.cpp alone.
#pragma once

#include "engine/kernels/linear/decoders.h"
#include "engine/kernels/linear/linear_tasks.h"
#include "engine/kernels/simd/dot.h"

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
    Decoder decoder;
    decoder.open(matrix, row);
    const std::size_t full = begin + (end - begin) / Simd::kLanes * Simd::kLanes;
    for (std::size_t group = begin; group < full; group += Decoder::kGroup) {
      decoder.enter(group);
      const std::size_t group_end = min_of(group + Decoder::kGroup, full);
      for (std::size_t c = group; c < group_end; c += Simd::kLanes) {
        Simd::store(out + (c - begin), decoder.at(c));
      }
    }
    if (full < end) decode_row(matrix, row, full, end, out + (full - begin));
  }
};

// ---- one token ---------------------------------------------------------------------------------

/// y[r] = W[row + r] . x for kRowTile rows; independent sums hide the latency of the FMA.
template <typename Decoder>
inline void dot_stored_rows(const MatrixView& m, const std::size_t (&rows)[kRowTile],
                            const float* x, float (&y)[kRowTile]) {
  using Vec = Simd::Vec;
  Decoder w[kRowTile];
  HADAL_UNROLL
  for (std::size_t r = 0; r < kRowTile; ++r) {
    w[r].open(m, rows[r]);
    y[r] = 0.0f;
  }
  for (std::size_t begin = 0; begin < m.cols; begin += kDotBlock) {
    const std::size_t end = min_of(begin + kDotBlock, m.cols);
    const std::size_t full = begin + (end - begin) / Simd::kLanes * Simd::kLanes;
    Vec acc[kRowTile] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
    for (std::size_t group = begin; group < full; group += Decoder::kGroup) {
      HADAL_UNROLL
      for (Decoder& d : w) d.enter(group);
      const std::size_t group_end = min_of(group + Decoder::kGroup, full);
      for (std::size_t c = group; c < group_end; c += Simd::kLanes) {
        const Vec v = Simd::load(x + c);
        HADAL_UNROLL
        for (std::size_t r = 0; r < kRowTile; ++r) acc[r] = Simd::fma(w[r].at(c), v, acc[r]);
      }
    }
    if (full < end) {
      const Vec v = Simd::load_partial(x + full, end - full);
      HADAL_UNROLL
      for (std::size_t r = 0; r < kRowTile; ++r) {
        acc[r] = Simd::fma(decode_tail(m, rows[r], full, end - full), v, acc[r]);
      }
    }
    float sums[kRowTile];
    _mm_storeu_ps(sums, Simd::sum4(acc[0], acc[1], acc[2], acc[3]));
    HADAL_UNROLL
    for (std::size_t r = 0; r < kRowTile; ++r) y[r] = begin == 0 ? sums[r] : y[r] + sums[r];
  }
}

struct OneRun {
  const LinearOneTask& task;

  template <typename Decoder>
  void run() const {
    for (std::size_t row = task.row_begin; row < task.row_end; row += kRowTile) {
      std::size_t rows[kRowTile];
      HADAL_UNROLL
      for (std::size_t r = 0; r < kRowTile; ++r) rows[r] = min_of(row + r, task.row_end - 1);
      float y[kRowTile];
      dot_stored_rows<Decoder>(*task.weight, rows, task.x, y);
      for (std::size_t r = 0; r < kRowTile && row + r < task.row_end; ++r) task.y[row + r] = y[r];
    }
  }
};

// ---- packed tokens -----------------------------------------------------------------------------

/// Columns [begin, end) of a row as floats: in place when they are stored so, else in `buffer`.
template <typename Decoder>
inline const float* row_block(const MatrixView& m, std::size_t row, std::size_t begin,
                              std::size_t end, float* buffer) {
  if constexpr (std::is_same_v<Decoder, F32Decoder>) {
    return reinterpret_cast<const float*>(row_of(m, row)) + begin;
  } else {
    DecodeRun{m, row, begin, end, buffer}.template run<Decoder>();
    return buffer;
  }
}

/// Rows [row, row + kRowTile) of the task, columns [begin, begin + kDotBlock), all its tokens.
template <typename Decoder>
inline void packed_block(const LinearPackedTask& task, std::size_t row, std::size_t begin) {
  alignas(64) float buffer[kRowTile][kDotBlock];
  const MatrixView& m = *task.weight;
  const std::size_t n_rows = min_of(kRowTile, task.row_end - row);
  const std::size_t end = min_of(begin + kDotBlock, m.cols);
  const float* rows[kRowTile];
  for (std::size_t r = 0; r < n_rows; ++r) {
    rows[r] = row_block<Decoder>(m, row + r, begin, end, buffer[r]);
  }
  for (std::size_t r = n_rows; r < kRowTile; ++r) rows[r] = rows[0];
  dot_rows(rows, n_rows, {task.packed, task.n_tokens}, m.cols, begin, end - begin, task.y + row,
           task.y_stride);
}

struct PackedRun {
  const LinearPackedTask& task;

  template <typename Decoder>
  void run() const {
    // Few tokens: read each row from end to end, as memory likes it. Many: keep one block of
    // columns of all tokens in L2 while the rows pass by.
    constexpr std::size_t kL2Floats = 64 * 1024;
    const std::size_t cols = task.weight->cols;
    if (task.n_tokens * cols <= kL2Floats) {
      for (std::size_t row = task.row_begin; row < task.row_end; row += kRowTile) {
        for (std::size_t c = 0; c < cols; c += kDotBlock) packed_block<Decoder>(task, row, c);
      }
    } else {
      for (std::size_t c = 0; c < cols; c += kDotBlock) {
        for (std::size_t row = task.row_begin; row < task.row_end; row += kRowTile) {
          packed_block<Decoder>(task, row, c);
        }
      }
    }
  }
};

// ---- the table ---------------------------------------------------------------------------------

inline void pack_tokens(const float* const* rows, std::size_t n, std::size_t cols,
                        float* packed) noexcept {
  pack_tokens_simd(rows, n, cols, packed);
}

inline void decode_columns(const MatrixView& matrix, std::size_t row, std::size_t col_begin,
                           std::size_t col_end, float* out) noexcept {
  with_decoder(matrix, DecodeRun{matrix, row, col_begin, col_end, out});
}

inline void linear_one(const LinearOneTask& task) noexcept {
  with_decoder(*task.weight, OneRun{task});
}

inline void linear_packed(const LinearPackedTask& task) noexcept {
  with_decoder(*task.weight, PackedRun{task});
}

inline std::size_t packed_floats(std::size_t cols) noexcept {
  return round_up(cols, Simd::kLanes);
}

constexpr LinearKernels kLinear = {.token_tile = Simd::kTokenTile,
                                   .row_tile = kRowTile,
                                   .packed_floats = packed_floats,
                                   .pack_tokens = pack_tokens,
                                   .one = linear_one,
                                   .packed = linear_packed};

}  // namespace
}  // namespace hadal
