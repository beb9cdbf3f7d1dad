// A full tile of tokens times a panel of rows on a unit that multiplies small matrices of bytes
// (AMX), with the bits of panel_tile: the sums over a block are integers, so they are exact on
// both.
#pragma once

#include "engine/kernels/linear/int8_tile.h"

#include <cstring>

namespace hadal {
namespace {

/// The activations of kTokenTile tokens, kPanelBlocks blocks, as rows of bytes: the left operand.
struct TokenRows {
  static constexpr std::size_t kTokens = Int8Simd::kTokenTile;
  alignas(64) std::int8_t bytes[kPanelBlocks][kTokens][kInt8Block];

  void gather(const TileWords& tile, std::size_t n_blocks) {
    for (std::size_t b = 0; b < n_blocks; ++b) {
      const float* words = tile.block(b, kTokens);
      for (std::size_t t = 0; t < kTokens; ++t)
        for (std::size_t g = 0; g < kInt8Groups; ++g)
          std::memcpy(&bytes[b][t][4 * g], words + g * kTokens + t, 4);
    }
  }
};

/// No such unit: panel_tile does the work.
struct NoMatrixUnit {
  static constexpr bool kExists = false;
  struct Session {};
};

inline Int8Simd::Ints product_of(const std::int32_t (&row)[Int8Panel::kRows]) {
  return Int8Simd::load(reinterpret_cast<const std::uint8_t*>(row));
}

/// `Unit::multiply<K>(a, b, c)`: c[t][r] = sum over k < K of a[t][k] b[k / 4][r][k % 4] for kTokens
/// tokens t and 16 rows r; rows of a lie kInt8Block bytes apart. Tiles of `n` blocks of the panel.
template <typename Unit, typename Unpacker>
inline void matrix_tile(const Int8Panel& panel, std::size_t n, const TokenRows& tokens,
                        const TileWords& tile, const PanelSums& out) {
  constexpr std::size_t T = TokenRows::kTokens;
  alignas(64) std::int32_t products[T][Int8Panel::kRows];
  Int8Simd::Ints sum[T];
  Simd::Vec acc[T];
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) acc[t] = out.load(t);
  for (std::size_t b = 0; b < n; ++b) {
    const float* words = tile.block(b, T);
    if constexpr (Unpacker::kScales == PanelScales::two_halves) {
      const float* halves = tile.half_block(b, T);
      Unit::template multiply<kInt8Block / 2>(tokens.bytes[b][0], panel.bytes[b][0], products[0]);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        sum[t] =
            Int8Simd::add(product_of(products[t]), start_half<Unpacker>(halves, kStartLow, T, t));
      add_scaled<T>(panel.scales.scales[b], words, sum, acc);
      Unit::template multiply<kInt8Block / 2>(tokens.bytes[b][0] + kInt8Block / 2,
                                              panel.bytes[b][kInt8Groups / 2], products[0]);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        sum[t] =
            Int8Simd::add(product_of(products[t]), start_half<Unpacker>(halves, kStartHigh, T, t));
      add_scaled<T>(panel.scales.high_scales[b], words, sum, acc);
    } else {
      Unit::template multiply<kInt8Block>(tokens.bytes[b][0], panel.bytes[b][0], products[0]);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        sum[t] = Int8Simd::add(product_of(products[t]), start<Unpacker>(words, T, t));
      add_scaled<T>(panel.scales.scales[b], words, sum, acc);
      if constexpr (Unpacker::kScales == PanelScales::with_minimum)
        add_minimum<T>(panel.scales.mins[b], words, acc);
    }
  }
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) out.store(t, acc[t]);
}

}  // namespace
}  // namespace hadal
