// Activations of integer products (int8_layout.h): rounded, with what the products need beside
// them.
#pragma once

#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/linear/int8_rows.h"

#include <cstring>

namespace hadal {
namespace {

/// One block of 32 activations, rounded.
struct Int8Activations {
  alignas(32) std::int8_t q[kInt8Block];
  std::int32_t low;   ///< sum of q[0 .. 16)
  std::int32_t high;  ///< sum of q[16 .. 32)
  float scale;
};

inline float max_magnitude(const __m256 (&x)[4]) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 m = _mm256_andnot_ps(sign, x[0]);
  for (std::size_t i = 1; i < 4; ++i) m = _mm256_max_ps(m, _mm256_andnot_ps(sign, x[i]));
  __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}

/// Blocks without a magnitude above 2^-100 count as zero: 127 / a must stay finite.
inline void round_block(const float* x, Int8Activations& out) {
  __m256 v[4];
  for (std::size_t i = 0; i < 4; ++i) v[i] = _mm256_loadu_ps(x + 8 * i);
  const float largest = max_magnitude(v);
  const bool is_zero = largest < 0x1p-100f;
  out.scale = is_zero ? 0.0f : largest / 127.0f;
  const __m256 factor = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / largest);
  __m256i n[4];
  for (std::size_t i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], factor));
  const __m256i low = _mm256_add_epi32(n[0], n[1]);
  const __m256i high = _mm256_add_epi32(n[2], n[3]);
  const auto sum = [](__m256i s) {
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xB1)));
  };
  out.low = sum(low);
  out.high = sum(high);
  const __m256i packed =
      _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
  const __m256i in_order =
      _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out.q), in_order);
}

inline void store_word(float* words, std::size_t index, std::int32_t value) {
  std::memcpy(words + index, &value, sizeof(value));
}

inline std::size_t packed_words(std::size_t cols) noexcept {
  return cols / kInt8Block * (kInt8Words + kInt8HalfWords);
}

/// Tiles of kTokenTile tokens; in a tile block by block, as Int8Field says.
inline void pack_tokens(const float* const* rows, std::size_t n, std::size_t cols,
                        float* packed) noexcept {
  for (std::size_t first = 0; first < n; first += Int8Simd::kTokenTile) {
    const std::size_t left = n - first;
    const std::size_t n_tile = left < Int8Simd::kTokenTile ? left : Int8Simd::kTokenTile;
    float* const half_words = packed + cols / kInt8Block * kInt8Words * n_tile;
    for (std::size_t t = 0; t < n_tile; ++t) {
      float* words = packed + t;
      float* halves = half_words + t;
      for (std::size_t c = 0; c < cols; c += kInt8Block) {
        Int8Activations block;
        round_block(rows[first + t] + c, block);
        for (std::size_t g = 0; g < kInt8Groups; ++g) {
          std::memcpy(words + g * n_tile, block.q + 4 * g, sizeof(float));
        }
        const std::int32_t sum = block.low + block.high;
        words[kScale * n_tile] = block.scale;
        store_word(words, kStart16 * n_tile, -16 * sum);
        store_word(words, kStart128 * n_tile, -128 * sum);
        words[kScaledSum * n_tile] = block.scale * static_cast<float>(sum);
        store_word(halves, kStartLow * n_tile, -32 * block.low);
        store_word(halves, kStartHigh * n_tile, -32 * block.high);
        words += kInt8Words * n_tile;
        halves += kInt8HalfWords * n_tile;
      }
    }
    packed += n_tile * packed_words(cols);
  }
}

}  // namespace
}  // namespace hadal
