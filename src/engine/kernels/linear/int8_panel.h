// Quantised weights of a few rows brought into the order of integer products: unpacked from the
// stored blocks, transposed, kept in L1. One unpacker per stored type.
#pragma once

#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/simd/simd.h"

#include <cstring>

#if defined(__AVX512F__)
#include "engine/kernels/simd/int8_avx512.h"
#else
#include "engine/kernels/simd/int8_avx2.h"
#endif

namespace hadal {
namespace {

constexpr std::size_t kPanelBlocks = 8;  ///< 256 columns: four panels, 20 KB, stay in L1 beside
                                         ///< a tile's 5 KB

/// How the values of a block are scaled; b is the unsigned byte, bias = 2^shift (shift -1: 0).
enum class PanelScales : std::uint8_t {
  one,           ///< scale * (b - bias)
  with_minimum,  ///< scale * b - min
  two_halves     ///< scale * (b - bias) for columns 0..15, high_scale for 16..31
};

/// kRows rows, up to kPanelBlocks blocks.
struct Int8Panel {
  static constexpr std::size_t kRows = Int8Simd::kRows;
  alignas(64) std::uint8_t bytes[kPanelBlocks][kInt8Groups][4 * kRows];
  alignas(64) float scales[kPanelBlocks][kRows];
  alignas(64) float mins[kPanelBlocks][kRows];
  alignas(64) float high_scales[kPanelBlocks][kRows];
};

/// Asks for memory in the order of its bytes, a little with each block that is unpacked, so that
/// the hardware sees one stream and runs ahead of it.
class Prefetcher {
 public:
  Prefetcher(const std::byte* begin, const std::byte* end) : next_(begin), end_(end) {}
  void advance(std::size_t n_bytes) {
    const std::byte* stop = next_ + n_bytes < end_ ? next_ + n_bytes : end_;
    for (; next_ < stop; next_ += 64)
      _mm_prefetch(reinterpret_cast<const char*>(next_), _MM_HINT_T1);
  }

 private:
  const std::byte* next_;
  const std::byte* end_;
};

/// kRows rows that follow each other: few enough addresses for registers.
class FollowingRows {
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
  static constexpr std::size_t kQuarters = Int8Panel::kRows / 4;
  const std::byte* quarters_[kQuarters];
  std::size_t stride_;
  const std::byte* scales_;
  std::size_t scale_stride_;
};

/// The last rows of a matrix; missing ones repeat the last, their results are dropped.
class LastRows {
 public:
  LastRows(const MatrixView& m, std::size_t row) {
    for (std::size_t r = 0; r < Int8Panel::kRows; ++r) {
      const std::size_t at = row + r < m.rows ? row + r : m.rows - 1;
      data_[r] = m.data + at * m.row_stride;
      scales_[r] = m.scale + at * m.scale_stride;
    }
  }
  const std::byte* data(std::size_t r) const { return data_[r]; }
  const std::byte* scales(std::size_t r) const { return scales_[r]; }

 private:
  const std::byte* data_[Int8Panel::kRows];
  const std::byte* scales_[Int8Panel::kRows];
};

/// One value of every row, collected for a vector.
template <typename T, typename Rows>
inline void collect(const Rows& rows, std::size_t offset, T (&out)[Int8Panel::kRows]) {
  HADAL_UNROLL
  for (std::size_t r = 0; r < Int8Panel::kRows; ++r)
    std::memcpy(&out[r], rows.data(r) + offset, sizeof(T));
}

/// Values of e2m1, doubled, plus 16.
constexpr std::uint8_t kFp4Bytes[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                        16, 15, 14, 13, 12, 10, 8,  4};

/// e8m0 scales of doubled values.
inline void store_fp4_scales(const std::uint8_t (&codes)[kPanelBlocks][Int8Panel::kRows],
                             std::size_t n, Int8Panel& panel) {
  for (std::size_t b = 0; b < n; ++b) {
    Simd::store(panel.scales[b], Simd::mul(Int8Simd::from_e8m0(codes[b]), Simd::set1(0.5f)));
  }
}

inline void store_half_scales(const std::uint16_t (&halves)[kPanelBlocks][Int8Panel::kRows],
                              std::size_t n, Int8Panel& panel) {
  for (std::size_t b = 0; b < n; ++b) {
    Simd::store(panel.scales[b], Int8Simd::from_halves(halves[b]));
  }
}

struct Mxfp4Unpacker {
  static constexpr int kShift = 4;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::one;
  static constexpr std::size_t kBlockBytes = 17;  ///< e8m0, 16 bytes of nibbles b and b + 16

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    const auto table = Int8Simd::table(kFp4Bytes);
    std::uint8_t codes[kPanelBlocks][Int8Panel::kRows];
    for (std::size_t b = 0; b < n; ++b) {
      const std::size_t offset = (first + b) * kBlockBytes;
      ahead.advance(kBlockBytes * Int8Panel::kRows);
      Int8Simd::Bytes words[4];
      Int8Simd::transpose(rows, offset + 1, words);
      HADAL_UNROLL
      for (std::size_t j = 0; j < 4; ++j) {
        Int8Simd::store(panel.bytes[b][j],
                        Int8Simd::lookup(table, Int8Simd::low_nibbles(words[j])));
        Int8Simd::store(panel.bytes[b][4 + j],
                        Int8Simd::lookup(table, Int8Simd::high_nibbles(words[j])));
      }
      collect(rows, offset, codes[b]);
    }
    store_fp4_scales(codes, n, panel);
  }
};

struct Fp4Unpacker {
  static constexpr int kShift = 4;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::one;
  static constexpr std::size_t kBlockBytes = 16;  ///< nibbles 2i and 2i + 1; scales stand apart

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    const auto table = Int8Simd::table(kFp4Bytes);
    std::uint8_t codes[kPanelBlocks][Int8Panel::kRows];
    for (std::size_t b = 0; b < n; ++b) {
      ahead.advance(kBlockBytes * Int8Panel::kRows);
      Int8Simd::Bytes words[4];
      Int8Simd::transpose(rows, (first + b) * kBlockBytes, words);
      HADAL_UNROLL
      for (std::size_t j = 0; j < 4; ++j) {
        Int8Simd::store(panel.bytes[b][2 * j],
                        Int8Simd::lookup(table, Int8Simd::first_nibbles(words[j])));
        Int8Simd::store(panel.bytes[b][2 * j + 1],
                        Int8Simd::lookup(table, Int8Simd::last_nibbles(words[j])));
      }
      HADAL_UNROLL
      for (std::size_t r = 0; r < Int8Panel::kRows; ++r)
        codes[b][r] = static_cast<std::uint8_t>(rows.scales(r)[first + b]);
    }
    store_fp4_scales(codes, n, panel);
  }
};

struct Q8Unpacker {
  static constexpr int kShift = 7;
  static constexpr bool kWide = true;
  static constexpr PanelScales kScales = PanelScales::one;
  static constexpr std::size_t kBlockBytes = 34;  ///< f16, 32 int8

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    std::uint16_t halves[kPanelBlocks][Int8Panel::kRows];
    for (std::size_t b = 0; b < n; ++b) {
      const std::size_t offset = (first + b) * kBlockBytes;
      ahead.advance(kBlockBytes * Int8Panel::kRows);
      for (std::size_t half = 0; half < 2; ++half) {
        Int8Simd::Bytes words[4];
        Int8Simd::transpose(rows, offset + 2 + 16 * half, words);
        HADAL_UNROLL
        for (std::size_t j = 0; j < 4; ++j) {
          Int8Simd::store(panel.bytes[b][4 * half + j], Int8Simd::flip_signs(words[j]));
        }
      }
      collect(rows, offset, halves[b]);
    }
    store_half_scales(halves, n, panel);
  }
};

/// 18 bytes: f16, 16 bytes of nibbles b and b + 16, less 8.
struct Q40Unpacker {
  static constexpr int kShift = 3;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::one;
  static constexpr std::size_t kBlockBytes = 18;

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    std::uint16_t halves[kPanelBlocks][Int8Panel::kRows];
    for (std::size_t b = 0; b < n; ++b) {
      const std::size_t offset = (first + b) * kBlockBytes;
      ahead.advance(kBlockBytes * Int8Panel::kRows);
      Int8Simd::Bytes words[4];
      Int8Simd::transpose(rows, offset + 2, words);
      HADAL_UNROLL
      for (std::size_t j = 0; j < 4; ++j) {
        Int8Simd::store(panel.bytes[b][j], Int8Simd::low_nibbles(words[j]));
        Int8Simd::store(panel.bytes[b][4 + j], Int8Simd::high_nibbles(words[j]));
      }
      collect(rows, offset, halves[b]);
    }
    store_half_scales(halves, n, panel);
  }
};

}  // namespace
}  // namespace hadal
