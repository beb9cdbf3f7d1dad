// The inner loop of the exact products: a few rows of stored weights, decoded in registers, times a
// few tokens, over at most kDotBlock columns; the order of every sum is that of simd/dot.h. A tile
// of many tokens decodes each weight once per kTokenTile products, beside the multiplications, and
// needs no copy of the weights.
#pragma once

#include "engine/kernels/linear/decoders.h"
#include "engine/kernels/simd/dot.h"

#include <type_traits>

namespace hadal {
namespace {

/// Tokens of a packed tile: 2 rows x 12 tokens (AVX2: 6) of accumulators leave registers for two
/// decoders and one token.
constexpr std::size_t kLinearTokens = Simd::kLanes == 16 ? 12 : 6;

/// Rows that are multiplied together: more of them for few tokens, so that 8 sums at least hide the
/// latency of the FMA.
constexpr std::size_t rows_of_tile(std::size_t n_tokens) {
  return n_tokens <= kLinearTokens / 2 ? 4 : 2;
}

/// T tokens as pack_tiles lays them, from column `begin` of the tile on.
template <std::size_t T>
struct PackedTokens {
  static constexpr std::size_t kTokens = T;
  const float* x;

  Simd::Vec at(std::size_t c, std::size_t t) const {
    return Simd::load(x + c * T + t * Simd::kLanes);
  }
  Simd::Vec tail(std::size_t c, std::size_t t, std::size_t) const { return at(c, t); }
};

/// One token as it is.
struct PlainToken {
  static constexpr std::size_t kTokens = 1;
  const float* x;

  Simd::Vec at(std::size_t c, std::size_t) const { return Simd::load(x + c); }
  Simd::Vec tail(std::size_t c, std::size_t, std::size_t n) const {
    return Simd::load_partial(x + c, n);
  }
};

/// The cache lines that are wanted next: line i of row r.
struct LinesAhead {
  const std::byte* data;
  std::size_t row_step;
  std::size_t line_step;

  void ask(std::size_t i, std::size_t r) const {
    _mm_prefetch(reinterpret_cast<const char*>(data + i * line_step + r * row_step), _MM_HINT_T1);
  }
};

/// What a tile multiplies: columns [begin, end) of R rows from `row` on; rows past row_end repeat
/// the last, their results are dropped.
struct TileWeights {
  const MatrixView& matrix;
  std::size_t row;
  std::size_t row_end;
  std::size_t begin;
  std::size_t end;
  LinesAhead ahead;

  std::size_t at(std::size_t r) const { return row + r < row_end ? row + r : row_end - 1; }
};

/// Sums of a tile, [token][row]. `add`: earlier columns are in there.
struct TileSums {
  float* data;
  bool add;

  void store(std::size_t i, __m128 sum) const {
    _mm_storeu_ps(data + i, add ? _mm_add_ps(_mm_loadu_ps(data + i), sum) : sum);
  }
};

/// The lanes of each accumulator are added as Simd::sum4 adds them.
template <std::size_t R, std::size_t T>
inline void add_lanes(const Simd::Vec (&acc)[R][T], const TileSums& sums) {
  constexpr std::size_t n = R * T;
  const auto lanes = [&](std::size_t i) __attribute__((always_inline)) {
    return acc[i % R][i / R];
  };
  std::size_t i = 0;
#if defined(__AVX512F__)
  HADAL_UNROLL
  for (; i + 16 <= n; i += 16) {
    Simd::Vec v[16];
    HADAL_UNROLL
    for (std::size_t k = 0; k < 16; ++k) v[k] = lanes(i + k % 4 * 4 + k / 4);
    const Simd::Vec sum = Simd::sum16(v);
    float* out = sums.data + i;
    Simd::store(out, sums.add ? Simd::add(Simd::load(out), sum) : sum);
  }
#endif
  HADAL_UNROLL
  for (; i + 4 <= n; i += 4)
    sums.store(i, Simd::sum4(lanes(i), lanes(i + 1), lanes(i + 2), lanes(i + 3)));
  if constexpr (n % 4 != 0) {  // two sums: leave the floats behind them as they are
    const __m128 sum = Simd::sum4(lanes(i), lanes(i + 1), lanes(i), lanes(i + 1));
    float last[4];
    _mm_storeu_ps(last, sum);
    for (std::size_t k = 0; k < 2; ++k)
      sums.data[i + k] = sums.add ? sums.data[i + k] + last[k] : last[k];
  }
}

/// Loads `v` once: GCC would read it from memory for each of its products, and loads are scarcer
/// than multiplications.
inline void hold(Simd::Vec& v) {
  __asm__("" : "+v"(v));
}

/// A row with a NaN in the entered group gets a NaN as scale: its sums are NaN either way.
template <std::size_t R>
inline void poison(E4m3Decoder (&decoders)[R], std::size_t begin, std::size_t end) {
  Simd::Codes seen = Simd::no_codes();
  HADAL_UNROLL
  for (const E4m3Decoder& d : decoders) seen = d.with_codes(seen, begin, end);
  if (Simd::has_nan(seen)) [[unlikely]] {
    for (E4m3Decoder& d : decoders)
      if (d.has_nan(begin, end)) d.scale = Simd::set1(__builtin_nanf(""));
  }
}

/// sums[t][r] (+)= W[row + r] . x[t] over the columns of `w`, of which x holds the first first.
template <typename Decoder, std::size_t R, typename Tokens>
inline void multiply_tile(const TileWeights& w, const Tokens& x, const TileSums& sums) {
  constexpr std::size_t T = Tokens::kTokens;
  Simd::Vec acc[R][T];
  Decoder decoders[R];
  HADAL_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    decoders[r].open(w.matrix, w.at(r));
    HADAL_UNROLL
    for (Simd::Vec& a : acc[r]) a = Simd::zero();
  }
  const std::size_t full = w.begin + (w.end - w.begin) / Simd::kLanes * Simd::kLanes;
  for (std::size_t group = w.begin; group < full; group += Decoder::kGroup) {
    const std::size_t group_end = group + Decoder::kGroup < full ? group + Decoder::kGroup : full;
    HADAL_UNROLL
    for (Decoder& d : decoders) d.enter(group, group_end);
    if constexpr (std::is_same_v<Decoder, E4m3Decoder>) poison(decoders, group, group_end);
    for (std::size_t c = group; c < group_end; c += Simd::kLanes) {
      if constexpr (Decoder::kLineColumns != 0) {
        if (c % Decoder::kLineColumns == 0) {
          HADAL_UNROLL
          for (std::size_t r = 0; r < R; ++r) w.ahead.ask((c - w.begin) / Decoder::kLineColumns, r);
        }
      }
      Simd::Vec weight[R];
      HADAL_UNROLL
      for (std::size_t r = 0; r < R; ++r) weight[r] = decoders[r].at(c);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) {
        Simd::Vec v = x.at(c - w.begin, t);
        hold(v);
        HADAL_UNROLL
        for (std::size_t r = 0; r < R; ++r) acc[r][t] = Simd::fma(weight[r], v, acc[r][t]);
      }
    }
  }
  if (full < w.end) {
    HADAL_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
      const Simd::Vec weight = decode_tail(w.matrix, w.at(r), full, w.end - full);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        acc[r][t] = Simd::fma(weight, x.tail(full - w.begin, t, w.end - full), acc[r][t]);
    }
  }
  add_lanes<R, T>(acc, sums);
}

}  // namespace
}  // namespace hadal
