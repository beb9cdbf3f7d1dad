// Quantised weights of a few rows brought into the order of integer products, a block of 32 columns
// at a time: one unpacker per stored type. What becomes of the blocks is the sink's: kept in L1 for
// many tokens, or multiplied at once.
#pragma once

#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/linear/int8_rows.h"

namespace hadal {
namespace {

/// Four bytes, unsigned, of each row; group g has columns 4g .. 4g + 3 of the block.
using BlockBytes = Int8Simd::Bytes[kInt8Groups];

/// How the values of a block are scaled; b is the unsigned byte, bias as kBias.
enum class PanelScales : std::uint8_t {
  one,           ///< scale * (b - bias)
  with_minimum,  ///< scale * b - min
  two_halves     ///< scale * (b - bias) for columns 0..15, high_scale for 16..31
};

struct BlockScales {
  alignas(64) BlockFloats scales;
  alignas(64) BlockFloats mins;
  alignas(64) BlockFloats high_scales;
};

/// kRows rows, up to kPanelBlocks blocks, in L1.
struct Int8Panel {
  static constexpr std::size_t kRows = Int8Simd::kRows;
  alignas(64) std::uint8_t bytes[kPanelBlocks][kInt8Groups][4 * kRows];
  BlockScales scales;

  void block(std::size_t b, const BlockBytes& groups) {
    HADAL_UNROLL
    for (std::size_t g = 0; g < kInt8Groups; ++g) Int8Simd::store(bytes[b][g], groups[g]);
  }
};

/// Values of e2m1, doubled, plus 16.
constexpr std::uint8_t kFp4Bytes[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                        16, 15, 14, 13, 12, 10, 8,  4};

/// 2^(code - 127) / 2: e8m0 scales of doubled values.
inline Simd::Vec half_of_e8m0(Int8Simd::Ints code) {
  return Simd::mul(Int8Simd::from_e8m0(code), Simd::set1(0.5f));
}

/// 16 bytes of nibbles b and b + 16. `Format`: the type, the byte of each nibble (less 16) and what
/// a head means.
template <typename Format>
struct NibbleUnpacker {
  static constexpr DType kType = Format::kType;
  static constexpr int kBias = 16;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::one;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    const auto table = Int8Simd::table(Format::kBytes);
    for (std::size_t b = 0; b < n; ++b) {
      ahead.advance(stored_block(kType).bytes * Int8Panel::kRows);
      Int8Simd::Bytes words[4];
      rows.template body<kType>(first + b, 0, words);
      BlockBytes groups;
      HADAL_UNROLL
      for (std::size_t j = 0; j < 4; ++j) {
        groups[j] = Int8Simd::lookup(table, Int8Simd::low_nibbles(words[j]));
        groups[4 + j] = Int8Simd::lookup(table, Int8Simd::high_nibbles(words[j]));
      }
      sink.block(b, groups);
    }
    rows.template heads<kType>(first, n, Format::scale, scales.scales);
  }
};

struct Mxfp4Format {
  static constexpr DType kType = DType::mxfp4;
  static constexpr const std::uint8_t (&kBytes)[16] = kFp4Bytes;
  static Simd::Vec scale(Int8Simd::Ints code) { return half_of_e8m0(code); }
};
using Mxfp4Unpacker = NibbleUnpacker<Mxfp4Format>;

/// Nibble - 8.
struct Q40Format {
  static constexpr DType kType = DType::q4_0;
  static constexpr std::uint8_t kBytes[16] = {8,  9,  10, 11, 12, 13, 14, 15,
                                              16, 17, 18, 19, 20, 21, 22, 23};
  static Simd::Vec scale(Int8Simd::Ints code) { return Int8Simd::low_halves(code); }
};
using Q40Unpacker = NibbleUnpacker<Q40Format>;

/// 16 bytes of nibbles 2i and 2i + 1.
struct Fp4Unpacker {
  static constexpr DType kType = DType::fp4;
  static constexpr int kBias = 16;
  static constexpr bool kWide = false;
  static constexpr PanelScales kScales = PanelScales::one;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    const auto table = Int8Simd::table(kFp4Bytes);
    for (std::size_t b = 0; b < n; ++b) {
      ahead.advance(stored_block(kType).bytes * Int8Panel::kRows);
      Int8Simd::Bytes words[4];
      rows.template body<kType>(first + b, 0, words);
      BlockBytes groups;
      HADAL_UNROLL
      for (std::size_t j = 0; j < 4; ++j) {
        groups[2 * j] = Int8Simd::lookup(table, Int8Simd::first_nibbles(words[j]));
        groups[2 * j + 1] = Int8Simd::lookup(table, Int8Simd::last_nibbles(words[j]));
      }
      sink.block(b, groups);
    }
    rows.template heads<kType>(first, n, half_of_e8m0, scales.scales);
  }
};

/// 32 int8.
struct Q8Unpacker {
  static constexpr DType kType = DType::q8_0;
  static constexpr int kBias = 128;
  static constexpr bool kWide = true;
  static constexpr PanelScales kScales = PanelScales::one;

  template <typename Rows, typename Ahead, typename Sink>
  static void unpack(const Rows& rows, std::size_t first, std::size_t n, Ahead& ahead, Sink& sink,
                     BlockScales& scales) {
    for (std::size_t b = 0; b < n; ++b) {
      ahead.advance(stored_block(kType).bytes * Int8Panel::kRows);
      BlockBytes groups;
      HADAL_UNROLL
      for (std::size_t half = 0; half < 2; ++half) {
        Int8Simd::Bytes words[4];
        rows.template body<kType>(first + b, 16 * half, words);
        HADAL_UNROLL
        for (std::size_t j = 0; j < 4; ++j) groups[4 * half + j] = Int8Simd::flip_signs(words[j]);
      }
      sink.block(b, groups);
    }
    rows.template heads<kType>(first, n, Int8Simd::low_halves, scales.scales);
  }
};

}  // namespace
}  // namespace hadal
