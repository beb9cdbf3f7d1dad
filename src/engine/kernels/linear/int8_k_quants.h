// Unpackers of ggml's K-quants: 256 columns, eight blocks, share one (or two) halves; each block
// has its own small integer scale. Layouts: deepseek-v4.md 9 and src/base/ggml_blocks.
#pragma once

#include "engine/kernels/linear/int8_panel.h"

namespace hadal {
namespace {

constexpr std::size_t kSuperBlock = 8;  ///< blocks of 32

/// Scales and minima of q4_k and q5_k: f16 d, f16 dmin, then eight 6-bit pairs in 12 bytes. The 16
/// bytes of all rows are read at once: a word of halves and three words of pairs per row.
template <DType kType, typename Rows>
inline void unpack_6_bit_pairs(const Rows& rows, std::size_t super, std::size_t first_block,
                               BlockScales& out) {
  constexpr int kLow4 = 0x0F0F0F0F;
  constexpr int kLow6 = 0x3F3F3F3F;
  constexpr int kHigh2 = 0x03030303;
  Int8Simd::Bytes w[4];
  rows.template body<kType>(super, 0, w);
  const Simd::Vec d = Int8Simd::low_halves(w[0]);
  const Simd::Vec dmin = Int8Simd::low_halves(Int8Simd::shifted(w[0], 16, 0xFFFF));
  const auto upper = [&](const Int8Simd::Bytes& low, int shift) {  // blocks 4..7
    const auto high = Int8Simd::shifted_up(Int8Simd::shifted(low, 6, kHigh2), 4);
    return Int8Simd::bit_or(Int8Simd::shifted(w[3], shift, kLow4), high);
  };
  const Int8Simd::Bytes scales[2] = {Int8Simd::shifted(w[1], 0, kLow6), upper(w[1], 0)};
  const Int8Simd::Bytes mins[2] = {Int8Simd::shifted(w[2], 0, kLow6), upper(w[2], 4)};
  HADAL_UNROLL
  for (std::size_t b = 0; b < kSuperBlock; ++b) {
    const int i = static_cast<int>(b % 4);
    const auto scale = Int8Simd::to_float(Int8Simd::byte(scales[b / 4], i));
    const auto min = Int8Simd::to_float(Int8Simd::byte(mins[b / 4], i));
    Simd::store(out.scales[first_block + b], Simd::mul(d, scale));
    Simd::store(out.mins[first_block + b], Simd::mul(dmin, min));
  }
}

/// 144 bytes: 16 of scales; 128 of nibbles: of each 32 the low ones are a block, the high ones the
/// next.
struct Q4KUnpacker {
  static constexpr DType kType = DType::q4_k;
  static constexpr int kBias = 0;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::with_minimum;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t super = (first + b) / kSuperBlock;
      unpack_6_bit_pairs<kType>(rows, super, b, scales);
      for (std::size_t pair = 0; pair < kSuperBlock; pair += 2) {
        ahead.advance(stored_block(kType).bytes / 4 * Int8Panel::kRows);
        Int8Simd::Bytes words[2][4];
        rows.template body<kType>(super, 16 + 16 * pair, words[0]);
        rows.template body<kType>(super, 32 + 16 * pair, words[1]);
        BlockBytes groups;
        HADAL_UNROLL
        for (std::size_t g = 0; g < kInt8Groups; ++g)
          groups[g] = Int8Simd::low_nibbles(words[g / 4][g % 4]);
        sink.block(b + pair, groups);
        HADAL_UNROLL
        for (std::size_t g = 0; g < kInt8Groups; ++g)
          groups[g] = Int8Simd::high_nibbles(words[g / 4][g % 4]);
        sink.block(b + pair + 1, groups);
      }
    }
  }
};

/// 176 bytes: 16 of scales; 32 of fifth bits, bit k for block k; 128 of nibbles as q4_k.
struct Q5KUnpacker {
  static constexpr DType kType = DType::q5_k;
  static constexpr int kBias = 0;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::with_minimum;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t super = (first + b) / kSuperBlock;
      unpack_6_bit_pairs<kType>(rows, super, b, scales);
      Int8Simd::Bytes bits[2][4];
      rows.template body<kType>(super, 16, bits[0]);
      rows.template body<kType>(super, 32, bits[1]);
      for (std::size_t pair = 0; pair < kSuperBlock; pair += 2) {
        ahead.advance(stored_block(kType).bytes / 4 * Int8Panel::kRows);
        Int8Simd::Bytes words[2][4];
        rows.template body<kType>(super, 48 + 16 * pair, words[0]);
        rows.template body<kType>(super, 64 + 16 * pair, words[1]);
        const auto fifth = [&](std::size_t g, std::size_t block) {
          const auto bit =
              Int8Simd::shifted(bits[g / 4][g % 4], static_cast<int>(block), 0x01010101);
          return Int8Simd::shifted_up(bit, 4);
        };
        BlockBytes groups;
        HADAL_UNROLL
        for (std::size_t g = 0; g < kInt8Groups; ++g) {
          groups[g] = Int8Simd::bit_or(Int8Simd::low_nibbles(words[g / 4][g % 4]), fifth(g, pair));
        }
        sink.block(b + pair, groups);
        HADAL_UNROLL
        for (std::size_t g = 0; g < kInt8Groups; ++g) {
          groups[g] =
              Int8Simd::bit_or(Int8Simd::high_nibbles(words[g / 4][g % 4]), fifth(g, pair + 1));
        }
        sink.block(b + pair + 1, groups);
      }
    }
  }
};

/// 210 bytes: 128 of low nibbles, 64 of upper pairs of bits, 16 int8 scales of 16 columns each, f16
/// d. Each 128 columns: 64 bytes of nibbles (32 for blocks 0 and 2, 32 for blocks 1 and 3), 32 of
/// pairs (bits 2i for block i).
struct Q6KUnpacker {
  static constexpr DType kType = DType::q6_k;
  static constexpr int kBias = 32;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::two_halves;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    for (std::size_t b = 0; b < n; b += kSuperBlock) {
      const std::size_t super = (first + b) / kSuperBlock;
      for (std::size_t part = 0; part < 2; ++part) {
        unpack_part(rows, super, part, b + 4 * part, ahead, sink);
      }
      unpack_scales(rows, super, b, scales);
    }
  }

 private:
  /// Columns 128 part .. 128 part + 127: blocks `first` .. first + 3.
  template <typename Rows, typename Ahead, typename Sink>
  static void unpack_part(const Rows& rows, std::size_t super, std::size_t part, std::size_t first,
                          Ahead& ahead, Sink& sink) {
    Int8Simd::Bytes pairs[2][4];
    rows.template body<kType>(super, 128 + 32 * part, pairs[0]);
    rows.template body<kType>(super, 144 + 32 * part, pairs[1]);
    for (std::size_t i = 0; i < 2; ++i) {
      ahead.advance(stored_block(kType).bytes / 4 * Int8Panel::kRows);
      Int8Simd::Bytes words[2][4];
      rows.template body<kType>(super, 64 * part + 32 * i, words[0]);
      rows.template body<kType>(super, 64 * part + 32 * i + 16, words[1]);
      const auto upper = [&](std::size_t g, std::size_t block) {
        const auto bits =
            Int8Simd::shifted(pairs[g / 4][g % 4], static_cast<int>(2 * block), 0x03030303);
        return Int8Simd::shifted_up(bits, 4);
      };
      BlockBytes groups;
      HADAL_UNROLL
      for (std::size_t g = 0; g < kInt8Groups; ++g) {
        groups[g] = Int8Simd::bit_or(Int8Simd::low_nibbles(words[g / 4][g % 4]), upper(g, i));
      }
      sink.block(first + i, groups);
      HADAL_UNROLL
      for (std::size_t g = 0; g < kInt8Groups; ++g) {
        groups[g] = Int8Simd::bit_or(Int8Simd::high_nibbles(words[g / 4][g % 4]), upper(g, i + 2));
      }
      sink.block(first + i + 2, groups);
    }
  }

  template <typename Rows>
  static void unpack_scales(const Rows& rows, std::size_t super, std::size_t b, BlockScales& out) {
    alignas(64) BlockFloats d;
    rows.template heads<kType>(super, 1, Int8Simd::low_halves, d);
    Int8Simd::Bytes words[4];
    rows.template body<kType>(super, 192, words);
    HADAL_UNROLL
    for (std::size_t s = 0; s < 16; ++s) {
      const auto scale =
          Int8Simd::to_float(Int8Simd::signed_byte(words[s / 4], static_cast<int>(s % 4)));
      float* to = s % 2 == 0 ? out.scales[b + s / 2] : out.high_scales[b + s / 2];
      Simd::store(to, Simd::mul(Simd::load(d[0]), scale));
    }
  }
};

}  // namespace
}  // namespace hadal
