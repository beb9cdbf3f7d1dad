// The inner loop of the exact products: a few rows of stored weights, decoded in registers, times a
// few tokens, over at most kDotBlock columns; the order of every sum is that of simd/dot.h. A tile
// of many tokens decodes each weight once per kTokenTile products, beside the multiplications, and
// needs no copy of the weights.
#pragma once

#include "engine/kernels/linear/decoders.h"
#include "engine/kernels/simd/dot.h"

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
    _mm_prefetch(reinterpret_cast<const char*>(data + i * line_step + r * row_step), _MM_HINT_T0);
  }
};

/// What a tile multiplies: columns [begin, end) of rows[0 .. R) of `matrix`.
template <std::size_t R>
struct TileWeights {
  const MatrixView& matrix;
  std::size_t rows[R];
  std::size_t begin;
  std::size_t end;
  LinesAhead ahead;
};

/// sums[t][r] (+)= lanes of acc[r][t], rows of R sums `stride` apart.
template <std::size_t R, std::size_t T>
inline void add_lanes(const Simd::Vec (&acc)[R][T], bool add, float* sums, std::size_t stride) {
  if constexpr (R == 4) {
    HADAL_UNROLL
    for (std::size_t t = 0; t < T; ++t) {
      float* out = sums + t * stride;
      const __m128 sum = Simd::sum4(acc[0][t], acc[1][t], acc[2][t], acc[3][t]);
      _mm_storeu_ps(out, add ? _mm_add_ps(_mm_loadu_ps(out), sum) : sum);
    }
  } else {
    static_assert(R == 2);
    HADAL_UNROLL
    for (std::size_t t = 0; t < T; t += 2) {
      const std::size_t next = t + 1 < T ? t + 1 : t;
      float* low = sums + t * stride;
      float* high = sums + next * stride;
      __m128 sum = Simd::sum4(acc[0][t], acc[1][t], acc[0][next], acc[1][next]);
      if (add) {
        const __m128 low_sum = _mm_loadl_pi(_mm_setzero_ps(), reinterpret_cast<__m64*>(low));
        sum = _mm_add_ps(_mm_loadh_pi(low_sum, reinterpret_cast<__m64*>(high)), sum);
      }
      _mm_storel_pi(reinterpret_cast<__m64*>(low), sum);
      _mm_storeh_pi(reinterpret_cast<__m64*>(high), sum);
    }
  }
}

/// sums[t][r] (+)= W[rows[r]] . x[t] over the columns of `w`.
template <typename Decoder, std::size_t R, typename Tokens>
inline void multiply_tile(const TileWeights<R>& w, const Tokens& x, float* sums,
                          std::size_t stride) {
  constexpr std::size_t T = Tokens::kTokens;
  Simd::Vec acc[R][T];
  Decoder decoders[R];
  HADAL_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    decoders[r].open(w.matrix, w.rows[r]);
    HADAL_UNROLL
    for (Simd::Vec& a : acc[r]) a = Simd::zero();
  }
  const std::size_t full = w.begin + (w.end - w.begin) / Simd::kLanes * Simd::kLanes;
  for (std::size_t group = w.begin; group < full; group += Decoder::kGroup) {
    const std::size_t group_end = group + Decoder::kGroup < full ? group + Decoder::kGroup : full;
    HADAL_UNROLL
    for (Decoder& d : decoders) d.enter(group, group_end);
    for (std::size_t c = group; c < group_end; c += Simd::kLanes) {
      if constexpr (Decoder::kLineColumns != 0) {
        if (c % Decoder::kLineColumns == 0) {
          HADAL_UNROLL
          for (std::size_t r = 0; r < R; ++r)
            w.ahead.ask((c - w.begin) / Decoder::kLineColumns, r);
        }
      }
      Simd::Vec weight[R];
      HADAL_UNROLL
      for (std::size_t r = 0; r < R; ++r) weight[r] = decoders[r].at(c);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) {
        const Simd::Vec v = x.at(c - w.begin, t);
        HADAL_UNROLL
        for (std::size_t r = 0; r < R; ++r) acc[r][t] = Simd::fma(weight[r], v, acc[r][t]);
      }
    }
  }
  if (full < w.end) {
    HADAL_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
      const Simd::Vec weight = decode_tail(w.matrix, w.rows[r], full, w.end - full);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        acc[r][t] = Simd::fma(weight, x.tail(full - w.begin, t, w.end - full), acc[r][t]);
    }
  }
  add_lanes<R, T>(acc, w.begin != 0, sums, stride);
}

}  // namespace
}  // namespace hadal
