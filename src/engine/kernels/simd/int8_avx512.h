// Bytes and their products in AVX-512 with VNNI, for *_avx512.cpp files alone (see avx512.h);
// int8_avx2.h has the same members.
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
  using Bytes = __m512i;  ///< four bytes of each of kRows rows
  using Ints = __m512i;   ///< one int32 per row
  static constexpr std::size_t kRows = 16;
  static constexpr std::size_t kTokenTile = 12;  ///< 12 integer and 12 float sums of 32 registers

  static Bytes load(const std::uint8_t* p) { return _mm512_load_si512(p); }
  static void store(std::uint8_t* p, Bytes v) { _mm512_store_si512(p, v); }

  /// out[j] <- bytes [offset + 4j, offset + 4j + 4) of every row.
  template <typename Rows>
  [[gnu::always_inline]] static void transpose(const Rows& rows, std::size_t offset,
                                               Bytes (&out)[4]) {
    Bytes z[4];  // lane l holds 16 bytes of row 4l + i
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      __m512i v = _mm512_castsi128_si512(load128(rows.data(i) + offset));
      v = _mm512_inserti32x4(v, load128(rows.data(4 + i) + offset), 1);
      v = _mm512_inserti32x4(v, load128(rows.data(8 + i) + offset), 2);
      z[i] = _mm512_inserti32x4(v, load128(rows.data(12 + i) + offset), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(z[0], z[1]);
    const __m512i b = _mm512_unpacklo_epi32(z[2], z[3]);
    const __m512i c = _mm512_unpackhi_epi32(z[0], z[1]);
    const __m512i d = _mm512_unpackhi_epi32(z[2], z[3]);
    out[0] = _mm512_unpacklo_epi64(a, b);
    out[1] = _mm512_unpackhi_epi64(a, b);
    out[2] = _mm512_unpacklo_epi64(c, d);
    out[3] = _mm512_unpackhi_epi64(c, d);
  }

  static Bytes table(const std::uint8_t (&values)[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  }
  static Bytes lookup(Bytes table, Bytes index) {
    return _mm512_shuffle_epi8(table, index);
  }
  static Bytes low_nibbles(Bytes v) {
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
  }
  static Bytes high_nibbles(Bytes v) {
    return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
  }
  static Bytes flip_signs(Bytes v) {
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
  }
  /// Nibbles of bytes 0 and 1 (2 and 3) of each row, low before high.
  static Bytes first_nibbles(Bytes v) {
    return spread(v, 0x01010000, 0x05050404);
  }
  static Bytes last_nibbles(Bytes v) {
    return spread(v, 0x03030202, 0x07070606);
  }

  static Bytes bit_or(Bytes a, Bytes b) {
    return _mm512_or_si512(a, b);
  }
  /// v >> n in every 32-bit word, then the bits of `mask`.
  static Bytes shifted(Bytes v, int n, int mask) {
    return _mm512_and_si512(_mm512_srl_epi32(v, _mm_cvtsi32_si128(n)), _mm512_set1_epi32(mask));
  }
  static Bytes shifted_up(Bytes v, int n) {
    return _mm512_sll_epi32(v, _mm_cvtsi32_si128(n));
  }
  /// Byte `i` of each row, unsigned or signed.
  static Ints byte(Bytes v, int i) {
    return shifted(v, 8 * i, 0xFF);
  }
  static Ints signed_byte(Bytes v, int i) {
    return _mm512_srai_epi32(shifted_up(v, 24 - 8 * i), 24);
  }
  /// The low 16 bits of each row as a half.
  static __m512 low_halves(Ints v) {
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
  }

  /// The same value for every row.
  static Ints all(const Int8Word* value) {
    return _mm512_set1_epi32(*value);
  }
  /// sum + four unsigned bytes of each row times the same four int8.
  template <bool kWide>
  static Ints dot(Ints sum, Bytes weights, const Int8Word* activations) {
    return _mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(*activations));
  }
  static Ints add(Ints a, Ints b) {
    return _mm512_add_epi32(a, b);
  }
  static __m512 to_float(Ints v) {
    return _mm512_cvtepi32_ps(v);
  }

  static Ints widen(const std::uint8_t (&v)[kRows]) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v)));
  }
  static Ints widen(const std::uint16_t (&v)[kRows]) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(v)));
  }
  /// 2^(code - 127) of e8m0 codes.
  static __m512 from_e8m0(Ints code) {
    __m512i bits = _mm512_slli_epi32(code, 23);
    const __mmask16 zero = _mm512_testn_epi32_mask(code, code);
    bits = _mm512_mask_mov_epi32(bits, zero, _mm512_set1_epi32(1 << 22));
    const __mmask16 nan = _mm512_cmpeq_epi32_mask(code, _mm512_set1_epi32(255));
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(bits, nan, _mm512_set1_epi32(0x7FC00000)));
  }

 private:
  static __m128i load128(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  /// Bytes b0 b0 b1 b1 of each row, then the low nibble of the even and the high one of the odd.
  static Bytes spread(Bytes v, int even_row, int odd_row) {
    const __m128i step = _mm_setr_epi32(0, 0, 0x08080808, 0x08080808);
    const __m128i pair = _mm_setr_epi32(even_row, odd_row, even_row, odd_row);
    const __m512i order = _mm512_broadcast_i32x4(_mm_add_epi8(pair, step));
    const __m512i twice = _mm512_shuffle_epi8(v, order);
    const __m512i low = _mm512_and_si512(twice, _mm512_set1_epi16(0x000F));
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(twice, 4), _mm512_set1_epi16(0x0F00));
    return _mm512_or_si512(low, high);
  }
};

}  // namespace
}  // namespace hadal
