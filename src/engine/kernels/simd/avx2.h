// Eight floats in AVX2 (with FMA and F16C), for the *_avx2.cpp files alone: everything is in an
// unnamed namespace so that the linker can never give this code to another file.
// avx512.h has the same members; the algorithms in *_simd.h are written once for both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace hadal {
namespace {

struct Simd {
  using Vec = __m256;
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kTokenTile = 3;  ///< 4 x 3 accumulators + 3 tokens + 1 row of 16
  static constexpr std::size_t kValueVecs = 2;  ///< channels / kLanes of an attention value tile

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec set1(float x) { return _mm256_set1_ps(x); }
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
  /// The first n < kLanes elements; the rest is 0 and is not read.
  static Vec load_partial(const float* p, std::size_t n) { return _mm256_maskload_ps(p, first(n)); }
  static void store_partial(float* p, Vec v, std::size_t n) { _mm256_maskstore_ps(p, first(n), v); }

  static Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }  ///< a b + c
  static Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }  ///< b when one of them is NaN
  static Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }  ///< b when one of them is NaN
  static Vec round(Vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  /// a 2^n for integral n in [-200, 200] and normal a near 1, rounded once: the first of the two
  /// products stays normal.
  static Vec scale_by_power(Vec a, Vec n) {
    const __m256i power = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(power, 1);
    return mul(mul(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(power, half)));
  }
  static Vec swap_pairs(Vec a) { return _mm256_permute_ps(a, 0xB1); }

  /// Sums of the lanes of four vectors: lanes l and l+4, then +2, +1.
  static __m128 sum4(Vec a, Vec b, Vec c, Vec d) {
    const __m128 a4 = fold(a);
    const __m128 b4 = fold(b);
    const __m128 c4 = fold(c);
    const __m128 d4 = fold(d);
    const __m128 ab = _mm_add_ps(_mm_unpacklo_ps(a4, b4), _mm_unpackhi_ps(a4, b4));
    const __m128 cd = _mm_add_ps(_mm_unpacklo_ps(c4, d4), _mm_unpackhi_ps(c4, d4));
    return _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
  }
  static float sum(Vec a) { return _mm_cvtss_f32(sum4(a, a, a, a)); }
  static float max_lane(Vec a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
  }

  // Decoders of kLanes stored elements; exact.
  static Vec from_f32(const std::byte* p) {
    return _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Vec from_bf16(const std::byte* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16));
  }
  static Vec from_f16(const std::byte* p) { return _mm256_cvtph_ps(load128(p)); }
  static Vec from_i8(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load64(p)));
  }
  /// The value times 2^-8; NaN codes give +-480 times that.
  static Vec small_from_e4m3(const std::byte* p) {
    // seeeemmm -> the half s0eeeemmm0000000
    const __m128i shifted = _mm_slli_epi16(_mm_cvtepi8_epi16(load64(p)), 7);
    return _mm256_cvtph_ps(_mm_and_si128(shifted, _mm_set1_epi16(static_cast<short>(0xBFFF))));
  }
  /// Magnitudes of e4m3 codes seen, to find NaN among many with one branch.
  using Codes = __m256i;
  static Codes no_codes() { return _mm256_setzero_si256(); }
  /// n: a multiple of kLanes.
  static Codes with_codes(Codes seen, const std::byte* p, std::size_t n) {
    for (; n >= 32; p += 32, n -= 32)
      seen = larger(seen, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    for (; n != 0; p += kLanes, n -= kLanes) seen = larger(seen, _mm256_zextsi128_si256(load64(p)));
    return seen;
  }
  static bool has_nan(Codes seen) {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(seen, _mm256_set1_epi8(-1))) != 0;
  }
  /// Element 2i is the low nibble of byte i; kLanes / 2 bytes.
  static Vec from_fp4_pairs(const std::byte* p) {
    int word;
    std::memcpy(&word, p, sizeof(word));
    const __m128i bytes = _mm_cvtsi32_si128(word);
    return from_fp4_codes(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)));
  }
  /// Element i is the low (high) nibble of byte i; kLanes bytes.
  static Vec from_fp4_nibbles(const std::byte* p, bool high) {
    const __m128i bytes = load64(p);
    return from_fp4_codes(high ? _mm_srli_epi16(bytes, 4) : bytes);
  }

  /// (p[i] >> shift) & mask; kLanes bytes.
  static Vec from_bits(const std::byte* p, std::size_t shift, int mask) {
    const __m256i bytes = _mm256_cvtepu8_epi32(load64(p));
    const __m256i bits = _mm256_srl_epi32(bytes, _mm_cvtsi32_si128(static_cast<int>(shift)));
    return _mm256_cvtepi32_ps(_mm256_and_si256(bits, _mm256_set1_epi32(mask)));
  }
  /// Element i is values[bits 2i and 2i+1 of codes], negative when bit i of signs is set.
  static Vec from_codes_and_signs(const float (&values)[4], std::uint32_t codes,
                                  std::uint32_t signs) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i code =
        _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(codes)), _mm256_slli_epi32(lane, 1));
    const __m256i bit = _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(signs)), lane);
    const __m128 table = _mm_loadu_ps(values);
    const Vec magnitude = _mm256_permutevar_ps(_mm256_set_m128(table, table), code);  // bits 0-1
    return _mm256_xor_ps(magnitude, _mm256_castsi256_ps(_mm256_slli_epi32(bit, 31)));
  }
  /// values[nibble], nibbles as in from_fp4_nibbles.
  static Vec from_nibbles(const std::int8_t (&values)[16], const std::byte* p, bool high) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    const __m128i bytes = load64(p);
    const __m128i codes = _mm_and_si128(high ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_shuffle_epi8(table, codes)));
  }

  static float float_from_half(const std::byte* p) {
    unsigned short bits;
    std::memcpy(&bits, p, sizeof(bits));
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
  }

 private:
  static __m256i first(std::size_t n) {
    static constexpr int kMask[2 * kLanes] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + kLanes - n));
  }
  static __m128i load128(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static __m128i load64(const std::byte* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
  static Codes larger(Codes seen, __m256i codes) {
    return _mm256_max_epu8(seen, _mm256_or_si256(codes, _mm256_set1_epi8(-128)));
  }
  static __m128 fold(Vec a) {
    return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  }
  static Vec power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static Vec from_fp4_codes(__m128i codes) {  // the low nibble of each byte counts
    const __m256i index = _mm256_cvtepu8_epi32(codes);
    const Vec values = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    const Vec magnitude = _mm256_permutevar8x32_ps(values, index);  // bits 0-2
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(index, _mm256_set1_epi32(8)), 28);
    return _mm256_or_ps(magnitude, _mm256_castsi256_ps(sign));
  }
};

}  // namespace
}  // namespace hadal
