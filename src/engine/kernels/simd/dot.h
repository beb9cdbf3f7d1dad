// The one reduction order of all dot products of a variant (promise 2: a result depends on its own
// inputs alone). Columns are taken in blocks of kDotBlock; inside a block lane l sums the columns
// c = l (mod kLanes) in ascending order by FMA; the lanes are added by Simd::sum4; the blocks are
// added in ascending order. Tiles of rows and tokens only interleave independent sums.
#pragma once

#include "engine/kernels/simd/simd.h"

#include <cstddef>
#include <cstdint>

namespace hadal {
namespace {

constexpr std::size_t kDotBlock = 512;  ///< 4 rows and 6 tokens of a block fill 20 of 32 KB of L1
constexpr std::size_t kRowTile = 4;

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

/// One task's share of packed tokens (see pack_tokens_simd).
struct PackedBlock {
  const float* data;
  std::size_t n_tokens;
};

/// Rows of x in tiles of kTokens tokens: tile, column / kLanes, token in tile, lane. Columns are
/// padded with zeros to a multiple of kLanes. The last tile holds what is left. Writes
/// n * round_up(cols, kLanes) floats.
template <std::size_t kTokens>
inline void pack_tiles(const float* const* rows, std::size_t n, std::size_t cols, float* packed) {
  constexpr std::size_t kLanes = Simd::kLanes;
  const std::size_t full = cols / kLanes * kLanes;
  for (std::size_t first = 0; first < n; first += kTokens) {
    const std::size_t n_tile = n - first < kTokens ? n - first : kTokens;
    for (std::size_t t = 0; t < n_tile; ++t) {
      const float* x = rows[first + t];
      float* out = packed + t * kLanes;
      std::size_t c = 0;
      for (; c < full; c += kLanes, out += n_tile * kLanes) Simd::store(out, Simd::load(x + c));
      if (c < cols) Simd::store(out, Simd::load_partial(x + c, cols - c));
    }
    packed += n_tile * round_up(cols, kLanes);
  }
}

inline void pack_tokens_simd(const float* const* rows, std::size_t n, std::size_t cols,
                             float* packed) {
  pack_tiles<Simd::kTokenTile>(rows, n, cols, packed);
}

/// y[t][r] (+)= rows[r] . x[t] over one block of `n` columns, for kRowTile rows and T tokens.
/// @param n_rows  results to write, <= kRowTile; the others repeat a row and are dropped.
template <std::size_t T>
inline void dot_tile(const float* const* rows, const float* x, std::size_t n, std::size_t n_rows,
                     bool add, float* y, std::size_t y_stride) {
  using Vec = Simd::Vec;
  constexpr std::size_t kLanes = Simd::kLanes;
  Vec acc[kRowTile][T];
  HADAL_UNROLL
  for (auto& row : acc) {
    HADAL_UNROLL
    for (Vec& a : row) a = Simd::zero();
  }
  const auto step = [&](const Vec(&w)[kRowTile], std::size_t c) __attribute__((always_inline)) {
    HADAL_UNROLL
    for (std::size_t t = 0; t < T; ++t) {
      const Vec v = Simd::load(x + c * T + t * kLanes);
      HADAL_UNROLL
      for (std::size_t r = 0; r < kRowTile; ++r) acc[r][t] = Simd::fma(w[r], v, acc[r][t]);
    }
  };
  std::size_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    const Vec w[kRowTile] = {Simd::load(rows[0] + c), Simd::load(rows[1] + c),
                             Simd::load(rows[2] + c), Simd::load(rows[3] + c)};
    step(w, c);
  }
  if (c < n) {
    const Vec w[kRowTile] = {
        Simd::load_partial(rows[0] + c, n - c), Simd::load_partial(rows[1] + c, n - c),
        Simd::load_partial(rows[2] + c, n - c), Simd::load_partial(rows[3] + c, n - c)};
    step(w, c);
  }
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t, y += y_stride) {
    float sums[kRowTile];
    _mm_storeu_ps(sums, Simd::sum4(acc[0][t], acc[1][t], acc[2][t], acc[3][t]));
    for (std::size_t r = 0; r < n_rows; ++r) y[r] = add ? y[r] + sums[r] : sums[r];
  }
}

/// Four rows against all tokens of a packed block, over columns [begin, begin + n) of `cols`; n <=
/// kDotBlock. `rows` point at column `begin`.
inline void dot_rows(const float* const* rows, std::size_t n_rows, const PackedBlock& x,
                     std::size_t cols, std::size_t begin, std::size_t n, float* y,
                     std::size_t y_stride) {
  const std::size_t padded = round_up(cols, Simd::kLanes);
  const float* tile = x.data;
  for (std::size_t first = 0; first < x.n_tokens; first += Simd::kTokenTile) {
    const std::size_t left = x.n_tokens - first;
    float* out = y + first * y_stride;
    const bool add = begin != 0;
    switch (left) {
      case 1:
        dot_tile<1>(rows, tile + begin, n, n_rows, add, out, y_stride);
        break;
      case 2:
        dot_tile<2>(rows, tile + 2 * begin, n, n_rows, add, out, y_stride);
        break;
      case 3:
        dot_tile<3>(rows, tile + 3 * begin, n, n_rows, add, out, y_stride);
        break;
      case 4:
        if constexpr (Simd::kTokenTile > 4) {
          dot_tile<4>(rows, tile + 4 * begin, n, n_rows, add, out, y_stride);
          break;
        }
        [[fallthrough]];
      case 5:
        if constexpr (Simd::kTokenTile > 5) {
          dot_tile<5>(rows, tile + 5 * begin, n, n_rows, add, out, y_stride);
          break;
        }
        [[fallthrough]];
      default:
        dot_tile<Simd::kTokenTile>(rows, tile + Simd::kTokenTile * begin, n, n_rows, add, out,
                                   y_stride);
    }
    tile += Simd::kTokenTile * padded;
  }
}

/// y[t][r] = rows[r] . x[t] for rows of plain floats (attention keys, indexer keys).
inline void dot_panel(const float* const* rows, std::size_t n_rows, std::size_t cols,
                      const PackedBlock& x, float* y, std::size_t y_stride) {
  for (std::size_t r = 0; r < n_rows; r += kRowTile) {
    const std::size_t n = n_rows - r < kRowTile ? n_rows - r : kRowTile;
    for (std::size_t begin = 0; begin < cols; begin += kDotBlock) {
      const std::size_t width = cols - begin < kDotBlock ? cols - begin : kDotBlock;
      const float* tile[kRowTile];
      for (std::size_t i = 0; i < kRowTile; ++i) tile[i] = rows[r + (i < n ? i : 0)] + begin;
      dot_rows(tile, n, x, cols, begin, width, y + r, y_stride);
    }
  }
}

}  // namespace
}  // namespace hadal
