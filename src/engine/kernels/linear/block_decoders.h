// Decoders of ggml's K-quants and look-up types, in the form of decoders.h; layouts and formulas:
// base/ggml_blocks.h. The same bits as decode_block: integers of a few bits are exact in float, and
// the products and the one difference are the same.
#pragma once

#include "base/ggml_blocks.h"
#include "base/ggml_codebooks.h"
#include "engine/kernels/linear/decoders.h"

namespace hadal {
namespace {

inline unsigned byte_at(const std::byte* bytes, std::size_t i) {
  return static_cast<unsigned>(bytes[i]);
}

/// What they share: a row of blocks, of which groups of columns have one scale.
template <std::size_t BlockColumns, std::size_t BlockBytes, std::size_t GroupColumns>
struct BlockDecoder {
  static constexpr std::size_t kGroup = GroupColumns;
  static constexpr std::size_t kLineColumns = 0;
  static constexpr Buffered kBuffered = Buffered::always;
  const std::byte* data;
  const std::byte* block;  ///< of the entered group
  Simd::Vec scale;

  void open(const MatrixView& m, std::size_t row) { data = row_of(m, row); }

 protected:
  /// Returns the column inside of the block.
  std::size_t enter_block(std::size_t col) {
    block = data + col / BlockColumns * BlockBytes;
    return col % BlockColumns;
  }
};

struct Q40Decoder : BlockDecoder<32, 18, 32> {
  void enter(std::size_t col, std::size_t) {
    enter_block(col);
    scale = Simd::set1(Simd::float_from_half(block));
  }
  Simd::Vec at(std::size_t col) const {
    const std::size_t shift = col % kGroup < 16 ? 0 : 4;
    const Simd::Vec q = Simd::from_bits(block + 2 + col % 16, shift, 15);
    return Simd::mul(scale, Simd::sub(q, Simd::set1(8.0f)));
  }
};

struct Q2KDecoder : BlockDecoder<256, 84, 16> {
  Simd::Vec min;
  const std::byte* qs;
  std::size_t shift;

  void enter(std::size_t col, std::size_t) {
    const std::size_t e = enter_block(col);
    const unsigned scales = byte_at(block, e / 16);
    scale = Simd::set1(Simd::float_from_half(block + 80) * static_cast<float>(scales & 15u));
    min = Simd::set1(Simd::float_from_half(block + 82) * static_cast<float>(scales >> 4));
    qs = block + 16 + e / 128 * 32;
    shift = e / 32 % 4 * 2;
  }
  Simd::Vec at(std::size_t col) const {
    return Simd::sub(Simd::mul(scale, Simd::from_bits(qs + col % 32, shift, 3)), min);
  }
};

struct Q3KDecoder : BlockDecoder<256, 110, 16> {
  const std::byte* qs;
  std::size_t group;  ///< of 32 columns

  void enter(std::size_t col, std::size_t) {
    const std::size_t e = enter_block(col);
    const std::size_t j = e / 16;
    const std::byte* scales = block + 96;
    const unsigned low = byte_at(scales, j % 8) >> 4 * (j / 8) & 15u;
    const unsigned high = byte_at(scales, 8 + j % 4) >> 2 * (j / 4) & 3u;
    const int factor = static_cast<int>(low | high << 4) - 32;
    scale = Simd::set1(Simd::float_from_half(block + 108) * static_cast<float>(factor));
    qs = block + 32 + e / 128 * 32;
    group = e / 32;
  }
  Simd::Vec at(std::size_t col) const {
    const Simd::Vec low = Simd::from_bits(qs + col % 32, group % 4 * 2, 3);
    const Simd::Vec high = Simd::from_bits(block + col % 32, group, 1);
    const Simd::Vec q = Simd::fma(high, Simd::set1(4.0f), Simd::sub(low, Simd::set1(4.0f)));
    return Simd::mul(scale, q);
  }
};

/// Q4_K and Q5_K: scale and minimum of 32 columns.
template <std::size_t BlockBytes>
struct AffineKDecoder : BlockDecoder<256, BlockBytes, 32> {
  Simd::Vec min;
  std::size_t group;

 protected:
  void enter_group(std::size_t col) {
    group = this->enter_block(col) / 32;
    const std::byte* scales = this->block + 4;
    const float d = Simd::float_from_half(this->block);
    const float dmin = Simd::float_from_half(this->block + 2);
    this->scale = Simd::set1(d * static_cast<float>(q4_k_scale(scales, group)));
    min = Simd::set1(dmin * static_cast<float>(q4_k_min(scales, group)));
  }
  /// @param qs  nibbles of the block.
  Simd::Vec low_bits(const std::byte* qs, std::size_t col) const {
    return Simd::from_bits(qs + group / 2 * 32 + col % 32, group % 2 * 4, 15);
  }
};

struct Q4KDecoder : AffineKDecoder<144> {
  void enter(std::size_t col, std::size_t) { enter_group(col); }
  Simd::Vec at(std::size_t col) const {
    return Simd::sub(Simd::mul(scale, low_bits(block + 16, col)), min);
  }
};

struct Q5KDecoder : AffineKDecoder<176> {
  void enter(std::size_t col, std::size_t) { enter_group(col); }
  Simd::Vec at(std::size_t col) const {
    const Simd::Vec high = Simd::from_bits(block + 16 + col % 32, group, 1);
    const Simd::Vec q = Simd::fma(high, Simd::set1(16.0f), low_bits(block + 48, col));
    return Simd::sub(Simd::mul(scale, q), min);
  }
};

struct Q6KDecoder : BlockDecoder<256, 210, 16> {
  const std::byte* ql;
  const std::byte* qh;
  std::size_t quarter;  ///< of 128 columns

  void enter(std::size_t col, std::size_t) {
    const std::size_t e = enter_block(col);
    const auto factor = static_cast<std::int8_t>(byte_at(block + 192, e / 16));
    scale = Simd::set1(Simd::float_from_half(block + 208) * static_cast<float>(factor));
    quarter = e / 32 % 4;
    ql = block + e / 128 * 64 + quarter % 2 * 32;
    qh = block + 128 + e / 128 * 32;
  }
  Simd::Vec at(std::size_t col) const {
    const Simd::Vec low = Simd::from_bits(ql + col % 32, quarter / 2 * 4, 15);
    const Simd::Vec high = Simd::from_bits(qh + col % 32, quarter * 2, 3);
    const Simd::Vec q = Simd::fma(high, Simd::set1(16.0f), Simd::sub(low, Simd::set1(32.0f)));
    return Simd::mul(scale, q);
  }
};

/// The tables of ggml_codebooks.h in memory of this file's own: no symbol that others could share.
constexpr float kIq2Values[4] = {kIq2Magnitudes[0], kIq2Magnitudes[1], kIq2Magnitudes[2], 0.0f};

struct Iq2XxsDecoder : BlockDecoder<256, 66, 32> {
  const std::byte* patterns;  ///< four bytes; behind them `word`
  std::uint32_t word;

  void enter(std::size_t col, std::size_t) {
    patterns = block_patterns(enter_block(col));
    std::memcpy(&word, patterns + 4, sizeof(word));
    const float factor = 0.5f + static_cast<float>(word >> 28);
    scale = Simd::set1(Simd::float_from_half(block) * factor * 0.25f);
  }
  /// A pattern gives eight columns.
  Simd::Vec at(std::size_t col) const {
    std::uint32_t codes = 0;
    std::uint32_t signs = 0;
    for (std::size_t i = 0; i < Simd::kLanes / 8; ++i) {
      const std::size_t j = col % kGroup / 8 + i;
      codes |= std::uint32_t{kIq2XxsPatterns[byte_at(patterns, j)]} << 16 * i;
      signs |= iq2_signs(word >> 7 * j & 127u) << 8 * i;
    }
    return Simd::mul(scale, Simd::from_codes_and_signs(kIq2Values, codes, signs));
  }

 private:
  const std::byte* block_patterns(std::size_t e) const { return block + 2 + e / 32 * 8; }
};

struct Iq4Table {
  std::int8_t values[16];
};
constexpr Iq4Table copy_of_iq4_values() {
  Iq4Table table{};
  for (std::size_t i = 0; i < 16; ++i) table.values[i] = kIq4Values[i];
  return table;
}
constexpr Iq4Table kIq4Table = copy_of_iq4_values();

struct Iq4XsDecoder : BlockDecoder<256, 136, 32> {
  const std::byte* qs;

  void enter(std::size_t col, std::size_t) {
    const std::size_t g = enter_block(col) / 32;
    const unsigned low = byte_at(block + 4, g / 2) >> 4 * (g % 2) & 15u;
    const unsigned high = byte_at(block + 2, g / 4) >> 2 * (g % 4) & 3u;
    const int factor = static_cast<int>(low | high << 4) - 32;
    scale = Simd::set1(Simd::float_from_half(block) * static_cast<float>(factor));
    qs = block + 8 + g * 16;
  }
  Simd::Vec at(std::size_t col) const {
    return Simd::mul(scale,
                     Simd::from_nibbles(kIq4Table.values, qs + col % 16, col % kGroup >= 16));
  }
};

}  // namespace
}  // namespace hadal
