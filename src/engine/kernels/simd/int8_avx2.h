// Bytes and their products in AVX2, for *_avx2.cpp files alone (see avx2.h); int8_avx512.h has the
// same members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace hadal {
namespace {

/// Four int8 or one int32 inside of a buffer of floats.
typedef std::int32_t Int8Word __attribute__((__may_alias__));

struct Int8Simd {
  using Bytes = __m256i;  ///< four bytes of each of kRows rows
  using Ints = __m256i;   ///< one int32 per row
  static constexpr std::size_t kRows = 8;
  static constexpr std::size_t kTokenTile = 4;  ///< 4 integer and 4 float sums of 16 registers

  static Bytes load(const std::uint8_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  }
  static void store(std::uint8_t* p, Bytes v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(p), v);
  }

  /// out[j] <- bytes [offset + 4j, offset + 4j + 4) of every row.
  template <typename Rows>
  static void transpose(const Rows& rows, std::size_t offset, Bytes (&out)[4]) {
    Bytes z[4];  // lane l holds 16 bytes of row 4l + i
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      z[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(rows.data(i) + offset)),
                                     load128(rows.data(4 + i) + offset), 1);
    }
    const __m256i a = _mm256_unpacklo_epi32(z[0], z[1]);
    const __m256i b = _mm256_unpacklo_epi32(z[2], z[3]);
    const __m256i c = _mm256_unpackhi_epi32(z[0], z[1]);
    const __m256i d = _mm256_unpackhi_epi32(z[2], z[3]);
    out[0] = _mm256_unpacklo_epi64(a, b);
    out[1] = _mm256_unpackhi_epi64(a, b);
    out[2] = _mm256_unpacklo_epi64(c, d);
    out[3] = _mm256_unpackhi_epi64(c, d);
  }

  static Bytes table(const std::uint8_t (&values)[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  }
  static Bytes lookup(Bytes table, Bytes index) {
    return _mm256_shuffle_epi8(table, index);
  }
  static Bytes low_nibbles(Bytes v) {
    return _mm256_and_si256(v, _mm256_set1_epi8(15));
  }
  static Bytes high_nibbles(Bytes v) {
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
  }
  static Bytes flip_signs(Bytes v) {
    return _mm256_xor_si256(v, _mm256_set1_epi8(-128));
  }
  /// Nibbles of bytes 0 and 1 (2 and 3) of each row, low before high.
  static Bytes first_nibbles(Bytes v) {
    return spread(v, 0x01010000, 0x05050404);
  }
  static Bytes last_nibbles(Bytes v) {
    return spread(v, 0x03030202, 0x07070606);
  }

  static Bytes bit_or(Bytes a, Bytes b) {
    return _mm256_or_si256(a, b);
  }
  /// v >> n in every 32-bit word, then the bits of `mask`.
  static Bytes shifted(Bytes v, int n, int mask) {
    return _mm256_and_si256(_mm256_srl_epi32(v, _mm_cvtsi32_si128(n)), _mm256_set1_epi32(mask));
  }
  static Bytes shifted_up(Bytes v, int n) {
    return _mm256_sll_epi32(v, _mm_cvtsi32_si128(n));
  }
  /// Byte `i` of each row, unsigned or signed.
  static Ints byte(Bytes v, int i) {
    return shifted(v, 8 * i, 0xFF);
  }
  static Ints signed_byte(Bytes v, int i) {
    return _mm256_srai_epi32(shifted_up(v, 24 - 8 * i), 24);
  }
  /// The low 16 bits of each row as a half.
  static __m256 low_halves(Ints v) {
    const __m256i words = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }

  /// The same value for every row.
  static Ints all(const Int8Word* value) {
    return _mm256_set1_epi32(*value);
  }
  /// sum + four unsigned bytes of each row times the same four int8. The 16-bit sums of two
  /// products would saturate for bytes above 128 (kWide): those go nibble by nibble.
  template <bool kWide>
  static Ints dot(Ints sum, Bytes weights, const Int8Word* activations) {
    const __m256i a = _mm256_set1_epi32(*activations);
    const __m256i ones = _mm256_set1_epi16(1);
    if constexpr (!kWide) {
      return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, a), ones));
    } else {
      const __m256i low = _mm256_maddubs_epi16(low_nibbles(weights), a);
      const __m256i high = _mm256_maddubs_epi16(high_nibbles(weights), a);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(low, ones));
      return _mm256_add_epi32(sum, _mm256_madd_epi16(high, _mm256_set1_epi16(16)));
    }
  }
  static Ints add(Ints a, Ints b) {
    return _mm256_add_epi32(a, b);
  }
  static __m256 to_float(Ints v) {
    return _mm256_cvtepi32_ps(v);
  }

  static Ints widen(const std::uint8_t (&v)[kRows]) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(v)));
  }
  static Ints widen(const std::uint16_t (&v)[kRows]) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v)));
  }
  /// 2^(code - 127) of e8m0 codes.
  static __m256 from_e8m0(Ints code) {
    const __m256i zero = _mm256_cmpeq_epi32(code, _mm256_setzero_si256());
    const __m256i nan = _mm256_cmpeq_epi32(code, _mm256_set1_epi32(255));
    __m256i bits = _mm256_slli_epi32(code, 23);
    bits = _mm256_blendv_epi8(bits, _mm256_set1_epi32(1 << 22), zero);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(bits, _mm256_set1_epi32(0x7FC00000), nan));
  }

 private:
  static __m128i load128(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  /// Bytes b0 b0 b1 b1 of each row, then the low nibble of the even and the high one of the odd.
  static Bytes spread(Bytes v, int even_row, int odd_row) {
    const __m128i step = _mm_setr_epi32(0, 0, 0x08080808, 0x08080808);
    const __m128i pair = _mm_setr_epi32(even_row, odd_row, even_row, odd_row);
    const __m256i order = _mm256_broadcastsi128_si256(_mm_add_epi8(pair, step));
    const __m256i twice = _mm256_shuffle_epi8(v, order);
    const __m256i low = _mm256_and_si256(twice, _mm256_set1_epi16(0x000F));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(twice, 4), _mm256_set1_epi16(0x0F00));
    return _mm256_or_si256(low, high);
  }
};

}  // namespace
}  // namespace hadal
