// Unpackers of ggml's K-quants: 256 columns, eight blocks, share one (or two) halves; each block
// has its own small integer scale. Layouts: deepseek-v4.md 9 and src/base/ggml_blocks.
#pragma once

#include "engine/kernels/linear/int8_panel.h"

namespace hadal {
namespace {

constexpr std::size_t kSuperBlock = 8;  ///< blocks of 32

/// Scales and minima of q4_k and q5_k: f16 d, f16 dmin, then eight 6-bit pairs in 12 bytes. The 16
/// bytes of all rows are transposed at once: a word of halves and three words of pairs per row.
template <typename Rows>
inline void unpack_6_bit_pairs(const Rows& rows, std::size_t offset, std::size_t first_block,
                               Int8Panel& panel) {
  constexpr int kLow4 = 0x0F0F0F0F;
  constexpr int kLow6 = 0x3F3F3F3F;
  constexpr int kHigh2 = 0x03030303;
  Int8Simd::Bytes w[4];
  Int8Simd::transpose(rows, offset, w);
  const Simd::Vec d = Int8Simd::low_halves(w[0]);
  const Simd::Vec dmin = Int8Simd::low_halves(Int8Simd::shifted(w[0], 16, 0xFFFF));
  const auto upper = [&](const Int8Simd::Bytes& low, int shift) {  // blocks 4..7
    const auto high = Int8Simd::shifted_up(Int8Simd::shifted(low, 6, kHigh2), 4);
    return Int8Simd::bit_or(Int8Simd::shifted(w[3], shift, kLow4), high);
  };
  const Int8Simd::Bytes scales[2] = {Int8Simd::shifted(w[1], 0, kLow6), upper(w[1], 0)};
  const Int8Simd::Bytes mins[2] = {Int8Simd::shifted(w[2], 0, kLow6), upper(w[2], 4)};
  for (std::size_t b = 0; b < kSuperBlock; ++b) {
    const int i = static_cast<int>(b % 4);
    const auto scale = Int8Simd::to_float(Int8Simd::byte(scales[b / 4], i));
    const auto min = Int8Simd::to_float(Int8Simd::byte(mins[b / 4], i));
    Simd::store(panel.scales[first_block + b], Simd::mul(d, scale));
    Simd::store(panel.mins[first_block + b], Simd::mul(dmin, min));
  }
}

/// 144 bytes: 16 of scales; 128 of nibbles: of each 32 the low ones are a block, the high ones the
/// next.
struct Q4KUnpacker {
  static constexpr int kShift = -1;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::with_minimum;
  static constexpr std::size_t kBlockBytes = 144 / kSuperBlock;

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t offset = (first + b) * kBlockBytes;
      unpack_6_bit_pairs(rows, offset, b, panel);
      for (std::size_t part = 0; part < 8; ++part) {  // 16 bytes each
        ahead.advance(kBlockBytes * Int8Panel::kRows);
        Int8Simd::Bytes words[4];
        Int8Simd::transpose(rows, offset + 16 + 16 * part, words);
        const std::size_t block = b + part / 2 * 2;
        HADAL_UNROLL
        for (std::size_t j = 0; j < 4; ++j) {
          const std::size_t group = part % 2 * 4 + j;
          Int8Simd::store(panel.bytes[block][group], Int8Simd::low_nibbles(words[j]));
          Int8Simd::store(panel.bytes[block + 1][group], Int8Simd::high_nibbles(words[j]));
        }
      }
    }
  }
};

/// 176 bytes: 16 of scales; 32 of fifth bits, bit k for block k; 128 of nibbles as q4_k.
struct Q5KUnpacker {
  static constexpr int kShift = -1;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::with_minimum;
  static constexpr std::size_t kBlockBytes = 176 / kSuperBlock;

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t offset = (first + b) * kBlockBytes;
      unpack_6_bit_pairs(rows, offset, b, panel);
      for (std::size_t half = 0; half < 2; ++half) {
        Int8Simd::Bytes bits[4];
        Int8Simd::transpose(rows, offset + 16 + 16 * half, bits);
        for (std::size_t pair = 0; pair < 4; ++pair) {
          ahead.advance(kBlockBytes * Int8Panel::kRows);
          Int8Simd::Bytes words[4];
          Int8Simd::transpose(rows, offset + 48 + 32 * pair + 16 * half, words);
          HADAL_UNROLL
          for (std::size_t j = 0; j < 4; ++j) {
            const int k = static_cast<int>(2 * pair);
            const auto fifth = [&](int bit) {
              return Int8Simd::shifted_up(Int8Simd::shifted(bits[j], bit, 0x01010101), 4);
            };
            const std::size_t group = 4 * half + j;
            Int8Simd::store(panel.bytes[b + 2 * pair][group],
                            Int8Simd::bit_or(Int8Simd::low_nibbles(words[j]), fifth(k)));
            Int8Simd::store(panel.bytes[b + 2 * pair + 1][group],
                            Int8Simd::bit_or(Int8Simd::high_nibbles(words[j]), fifth(k + 1)));
          }
        }
      }
    }
  }
};

/// 210 bytes: 128 of low nibbles, 64 of upper pairs of bits, 16 int8 scales of 16 columns each, f16
/// d. Each 128 columns: 64 bytes of nibbles (32 for blocks 0 and 2, 32 for blocks 1 and 3), 32 of
/// pairs (bits 2i for block i).
struct Q6KUnpacker {
  static constexpr int kShift = 5;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::two_halves;
  static constexpr std::size_t kSuperBytes = 210;
  static constexpr std::size_t kBlockBytes = kSuperBytes / kSuperBlock;  ///< rounded; for prefetch

  template <typename Rows>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Prefetcher& ahead,
                     Int8Panel& panel) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t offset = (first + b) / kSuperBlock * kSuperBytes;
      for (std::size_t part = 0; part < 2; ++part) unpack_half(rows, offset, part, b, ahead, panel);
      unpack_scales(rows, offset, b, panel);
    }
  }

 private:
  /// Columns 128 part .. 128 part + 127.
  template <typename Rows>
  static void unpack_half(const Rows& rows, std::size_t offset, std::size_t part, std::size_t b,
                          Prefetcher& ahead, Int8Panel& panel) {
    for (std::size_t half = 0; half < 2; ++half) {
      Int8Simd::Bytes pairs[4];
      Int8Simd::transpose(rows, offset + 128 + 32 * part + 16 * half, pairs);
      for (std::size_t i = 0; i < 2; ++i) {
        ahead.advance(kBlockBytes * Int8Panel::kRows);
        Int8Simd::Bytes words[4];
        Int8Simd::transpose(rows, offset + 64 * part + 32 * i + 16 * half, words);
        HADAL_UNROLL
        for (std::size_t j = 0; j < 4; ++j) {
          const auto upper = [&](std::size_t block) {
            const int shift = static_cast<int>(2 * block);
            return Int8Simd::shifted_up(Int8Simd::shifted(pairs[j], shift, 0x03030303), 4);
          };
          const std::size_t group = 4 * half + j;
          Int8Simd::store(panel.bytes[b + 4 * part + i][group],
                          Int8Simd::bit_or(Int8Simd::low_nibbles(words[j]), upper(i)));
          Int8Simd::store(panel.bytes[b + 4 * part + i + 2][group],
                          Int8Simd::bit_or(Int8Simd::high_nibbles(words[j]), upper(i + 2)));
        }
      }
    }
  }

  template <typename Rows>
  static void unpack_scales(const Rows& rows, std::size_t offset, std::size_t b, Int8Panel& panel) {
    std::uint16_t halves[Int8Panel::kRows];
    collect(rows, offset + 208, halves);
    const Simd::Vec d = Int8Simd::from_halves(halves);
    Int8Simd::Bytes words[4];
    Int8Simd::transpose(rows, offset + 192, words);
    for (std::size_t s = 0; s < 16; ++s) {
      const auto scale =
          Int8Simd::to_float(Int8Simd::signed_byte(words[s / 4], static_cast<int>(s % 4)));
      float* out = s % 2 == 0 ? panel.scales[b + s / 2] : panel.high_scales[b + s / 2];
      Simd::store(out, Simd::mul(d, scale));
    }
  }
};

}  // namespace
}  // namespace hadal
