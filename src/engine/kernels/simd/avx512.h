// Sixteen floats in AVX-512 (F, BW, DQ, VL), for the *_avx512.cpp files alone: everything is in an
// unnamed namespace so that the linker can never give this code to another file.
// avx2.h has the same members; the algorithms in *_simd.h are written once for both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace hadal {
namespace {

struct Simd {
  using Vec = __m512;
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kTokenTile = 6;  ///< 4 x 6 accumulators + 4 rows + 1 of 32 registers
  static constexpr std::size_t kValueVecs = 4;  ///< channels / kLanes of an attention value tile

  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec set1(float x) { return _mm512_set1_ps(x); }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
  /// The first n < kLanes elements; the rest is 0 and is not read.
  static Vec load_partial(const float* p, std::size_t n) {
    return _mm512_maskz_loadu_ps(first(n), p);
  }
  static void store_partial(float* p, Vec v, std::size_t n) {
    _mm512_mask_storeu_ps(p, first(n), v);
  }

  static Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }  ///< a b + c
  static Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }  ///< b when one of them is NaN
  static Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }  ///< b when one of them is NaN
  static Vec round(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  /// a 2^n for integral n, rounded once.
  static Vec scale_by_power(Vec a, Vec n) { return _mm512_scalef_ps(a, n); }
  static Vec swap_pairs(Vec a) { return _mm512_permute_ps(a, 0xB1); }

  /// Sums of the lanes of four vectors: lanes l and l+8, then +4, +2, +1.
  static __m128 sum4(Vec a, Vec b, Vec c, Vec d) {
    Vec s = quarters(a, b, c, d);
    s = add(s, _mm512_permute_ps(s, 0x4E));
    s = add(s, _mm512_permute_ps(s, 0xB1));
    return _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, s));
  }
  /// Sums of the lanes of sixteen vectors, in the order of sum4; element i is that of
  /// v[i % 4 * 4 + i / 4].
  static Vec sum16(const Vec (&v)[16]) {
    Vec s[4];
    for (std::size_t i = 0; i < 4; ++i)
      s[i] = quarters(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
    const Vec s01 = add(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
    const Vec s23 = add(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
    return add(_mm512_shuffle_ps(s01, s23, 0x44), _mm512_shuffle_ps(s01, s23, 0xEE));
  }
  static float sum(Vec a) { return _mm_cvtss_f32(sum4(a, a, a, a)); }
  static float max_lane(Vec a) { return _mm512_reduce_max_ps(a); }

  // Decoders of kLanes stored elements; exact.
  static Vec from_f32(const std::byte* p) { return _mm512_loadu_ps(p); }
  static Vec from_bf16(const std::byte* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load256(p)), 16));
  }
  static Vec from_f16(const std::byte* p) { return _mm512_cvtph_ps(load256(p)); }
  static Vec from_i8(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(p)));
  }
  /// The value times 2^-8; NaN codes give +-480 times that.
  static Vec small_from_e4m3(const std::byte* p) {
    // seeeemmm -> the half s0eeeemmm0000000
    const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepi8_epi16(load128(p)), 7);
    return _mm512_cvtph_ps(
        _mm256_and_si256(shifted, _mm256_set1_epi16(static_cast<short>(0xBFFF))));
  }
  /// Magnitudes of e4m3 codes seen, to find NaN among many with one branch.
  using Codes = __m512i;
  static Codes no_codes() { return _mm512_setzero_si512(); }
  /// n <= 128.
  static Codes with_codes(Codes seen, const std::byte* p, std::size_t n) {
    if (n == 128) return larger(larger(seen, _mm512_loadu_si512(p)), _mm512_loadu_si512(p + 64));
    const __mmask64 low = n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1;
    const __mmask64 high = n > 64 ? (__mmask64{1} << (n - 64)) - 1 : 0;
    seen = larger(seen, _mm512_maskz_loadu_epi8(low, p));
    return larger(seen, _mm512_maskz_loadu_epi8(high, p + 64));
  }
  static bool has_nan(Codes seen) {
    return _mm512_cmpeq_epi8_mask(seen, _mm512_set1_epi8(-1)) != 0;
  }
  /// Element 2i is the low nibble of byte i; kLanes / 2 bytes.
  static Vec from_fp4_pairs(const std::byte* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return from_fp4_codes(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)));
  }
  /// Element i is the low (high) nibble of byte i; kLanes bytes.
  static Vec from_fp4_nibbles(const std::byte* p, bool high) {
    const __m128i bytes = load128(p);
    return from_fp4_codes(high ? _mm_srli_epi16(bytes, 4) : bytes);
  }

  /// (p[i] >> shift) & mask; kLanes bytes.
  static Vec from_bits(const std::byte* p, std::size_t shift, int mask) {
    const __m512i bytes = _mm512_cvtepu8_epi32(load128(p));
    const __m512i bits = _mm512_srl_epi32(bytes, _mm_cvtsi32_si128(static_cast<int>(shift)));
    return _mm512_cvtepi32_ps(_mm512_and_si512(bits, _mm512_set1_epi32(mask)));
  }
  /// Element i is values[bits 2i and 2i+1 of codes], negative when bit i of signs is set.
  static Vec from_codes_and_signs(const float (&values)[4], std::uint32_t codes,
                                  std::uint32_t signs) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i code =
        _mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(codes)), _mm512_slli_epi32(lane, 1));
    const __m512i bit = _mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(signs)), lane);
    const Vec magnitude =
        _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(values)), code);  // bits 0-1
    return _mm512_xor_ps(magnitude, _mm512_castsi512_ps(_mm512_slli_epi32(bit, 31)));
  }
  /// values[nibble], nibbles as in from_fp4_nibbles.
  static Vec from_nibbles(const std::int8_t (&values)[16], const std::byte* p, bool high) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    const __m128i bytes = load128(p);
    const __m128i codes = _mm_and_si128(high ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_shuffle_epi8(table, codes)));
  }

  static float float_from_half(const std::byte* p) {
    unsigned short bits;
    std::memcpy(&bits, p, sizeof(bits));
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
  }

 private:
  static Codes larger(Codes seen, __m512i codes) {
    return _mm512_max_epu8(seen, _mm512_or_si512(codes, _mm512_set1_epi8(-128)));
  }
  /// Lanes l and l+8, then +4, of four vectors: four floats of each are left, in this order.
  static Vec quarters(Vec a, Vec b, Vec c, Vec d) {
    const Vec ab = add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    const Vec cd = add(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
    return add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
  }
  static __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static __m256i load256(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m128i load128(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static Vec from_fp4_codes(__m128i codes) {  // the low nibble of each byte counts
    const Vec values = _mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f,  //
                                      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f);
    return _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(codes), values);
  }
};

}  // namespace
}  // namespace hadal
