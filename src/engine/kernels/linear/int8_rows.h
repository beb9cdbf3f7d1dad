// Where the bytes of a panel's rows are: in rows as stored, from which 4-byte words are transposed
// in registers, or in panel order (panel_order.h), where a line holds the words of all rows.
#pragma once

#include "engine/kernels/linear/panel_order.h"
#include "engine/kernels/simd/simd.h"

#include <cstring>

#if defined(__AVX512F__)
#include "engine/kernels/simd/int8_avx512.h"
#else
#include "engine/kernels/simd/int8_avx2.h"
#endif

namespace hadal {
namespace {

inline void prefetch(const std::byte* begin, const std::byte* end) {
  for (; begin < end; begin += 64) _mm_prefetch(reinterpret_cast<const char*>(begin), _MM_HINT_T1);
}

/// Asks for memory in the order of its bytes, a little with each block that is unpacked, so that
/// the hardware sees one stream and runs ahead of it. Not inlined: with GCC 12 on Zen 4 products of
/// one token read a quarter to a third less per second when it was.
class LinearAhead {
 public:
  LinearAhead(const std::byte* begin, const std::byte* end) : next_(begin), end_(end) {}
  [[gnu::noinline]] void advance(std::size_t n_bytes) {
    const std::byte* stop = next_ + n_bytes < end_ ? next_ + n_bytes : end_;
    prefetch(next_, stop);
    if (next_ < stop) next_ += (stop - next_ + 63) / 64 * 64;
  }

 private:
  const std::byte* next_;
  const std::byte* end_;
};

/// Asks for a piece of each of kRows rows, row by row, while another piece is unpacked.
class PiecesAhead {
 public:
  PiecesAhead(const std::byte* first_row, std::size_t stride, std::size_t n_rows,
              std::size_t n_bytes)
      : row_(first_row), stride_(stride), n_rows_(n_rows), n_bytes_(n_bytes) {}
  void advance(std::size_t n_bytes) {
    progress_ += n_bytes;
    for (; n_rows_ != 0 && progress_ >= n_bytes_; --n_rows_, row_ += stride_) {
      prefetch(row_, row_ + n_bytes_);
      progress_ -= n_bytes_;
    }
  }

 private:
  const std::byte* row_;
  std::size_t stride_;
  std::size_t n_rows_;
  std::size_t n_bytes_;
  std::size_t progress_ = 0;
};

/// Blocks whose scales are prepared together: 256 columns.
constexpr std::size_t kPanelBlocks = 8;

/// One float per row of each block.
using BlockFloats = float[kPanelBlocks][Int8Simd::kRows];

/// Words and heads of rows as stored; `Derived` knows where each row begins.
template <typename Derived>
class StoredRows {
 public:
  /// out[j] <- word j of the 16 bytes at `offset` of the body of `block`.
  template <DType kType>
  void body(std::size_t block, std::size_t offset, Int8Simd::Bytes (&out)[4]) const {
    constexpr StoredBlock kBlock = stored_block(kType);
    Int8Simd::transpose(self(), block * kBlock.bytes + kBlock.body_at + offset, out);
  }

  /// Heads of n blocks from `first`, turned into floats by `convert`. All are collected before the
  /// first is loaded as a vector: a load of bytes that were just stored one by one has to wait.
  template <DType kType, typename Convert>
  void heads(std::size_t first, std::size_t n, const Convert& convert, BlockFloats& out) const {
    constexpr StoredBlock kBlock = stored_block(kType);
    using Head = std::conditional_t<kBlock.head_bytes == 1, std::uint8_t, std::uint16_t>;
    Head codes[kPanelBlocks][Int8Simd::kRows];
    for (std::size_t b = 0; b < n; ++b) {
#pragma GCC unroll 16
      for (std::size_t r = 0; r < Int8Simd::kRows; ++r) {
        const std::byte* at = kType == DType::fp4
                                  ? self().scales(r) + first + b
                                  : self().data(r) + (first + b) * kBlock.bytes + kBlock.head_at;
        std::memcpy(&codes[b][r], at, sizeof(Head));
      }
    }
    for (std::size_t b = 0; b < n; ++b) Simd::store(out[b], convert(Int8Simd::widen(codes[b])));
  }

 private:
  const Derived& self() const {
    return static_cast<const Derived&>(*this);
  }
};

/// kRows rows that follow each other: few enough addresses for registers.
class FollowingRows : public StoredRows<FollowingRows> {
 public:
  FollowingRows(const MatrixView& m, std::size_t row)
      : stride_(m.row_stride),
        scales_(m.scale + row * m.scale_stride),
        scale_stride_(m.scale_stride) {
    for (std::size_t q = 0; q < kQuarters; ++q)
      quarters_[q] = m.data + (row + 4 * q) * m.row_stride;
  }
  const std::byte* data(std::size_t r) const { return quarters_[r / 4] + r % 4 * stride_; }
  const std::byte* scales(std::size_t r) const { return scales_ + r * scale_stride_; }

 private:
  static constexpr std::size_t kQuarters = Int8Simd::kRows / 4;
  const std::byte* quarters_[kQuarters];
  std::size_t stride_;
  const std::byte* scales_;
  std::size_t scale_stride_;
};

/// The last rows of a matrix; missing ones repeat the last, their results are dropped.
class LastRows : public StoredRows<LastRows> {
 public:
  LastRows(const MatrixView& m, std::size_t row) {
    for (std::size_t r = 0; r < Int8Simd::kRows; ++r) {
      const std::size_t at = row + r < m.rows ? row + r : m.rows - 1;
      data_[r] = m.data + at * m.row_stride;
      scales_[r] = m.scale + at * m.scale_stride;
    }
  }
  const std::byte* data(std::size_t r) const { return data_[r]; }
  const std::byte* scales(std::size_t r) const { return scales_[r]; }

 private:
  const std::byte* data_[Int8Simd::kRows];
  const std::byte* scales_[Int8Simd::kRows];
};

/// kRows rows of a matrix in panel order: all of a panel (AVX-512) or a half (AVX2).
class PanelRows {
 public:
  PanelRows(const MatrixView& m, std::size_t row)
      : lines_(m.data + row / kPanelRows * kPanelRows * m.row_stride + row % kPanelRows * 4) {}

  template <DType kType>
  void body(std::size_t block, std::size_t offset, Int8Simd::Bytes (&out)[4]) const {
    constexpr StoredBlock kBlock = stored_block(kType);
    const std::size_t word = unit<kType>(block) + kBlock.head_words() +
                             block % kBlock.unit_blocks * kBlock.body_words() + offset / 4;
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) out[j] = line(word + j);
  }

  template <DType kType, typename Convert>
  void heads(std::size_t first, std::size_t n, const Convert& convert, BlockFloats& out) const {
    constexpr StoredBlock kBlock = stored_block(kType);
    constexpr int kBits = 8 * static_cast<int>(kBlock.head_bytes);
    for (std::size_t b = 0; b < n; ++b) {
      const std::size_t i = (first + b) % kBlock.unit_blocks;
      const Int8Simd::Ints code = Int8Simd::shifted(line(unit<kType>(first + b)),
                                                    kBits * static_cast<int>(i), (1 << kBits) - 1);
      Simd::store(out[b], convert(code));
    }
  }

 private:
  template <DType kType>
  static std::size_t unit(std::size_t block) {
    constexpr StoredBlock kBlock = stored_block(kType);
    return block / kBlock.unit_blocks * kBlock.unit_words();
  }
  Int8Simd::Bytes line(std::size_t i) const {
    return Int8Simd::load(reinterpret_cast<const std::uint8_t*>(lines_ + i * 4 * kPanelRows));
  }

  const std::byte* lines_;
};

}  // namespace
}  // namespace hadal
