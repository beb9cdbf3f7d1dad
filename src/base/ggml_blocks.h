// The block types of ggml: where every bit of a block lies, and exact decoding. Layouts are facts
// of the file format (ggml-common.h of github.com/ggml-org/ggml); tests hold the decoders to values
// of the Python package gguf.
//
// A block is a whole number of groups of 32 elements, and a row of a matrix is a whole number of
// blocks. Element e = 32 g + l of a block, bytes in this order (f16 = half float, little-endian):
//
//   Q4_0     18  d f16; qs[16]           nibble (low: l < 16) of qs[l % 16]      d * (q - 8)
//   Q8_0     34  d f16; qs[32] i8                                                d * q
//   MXFP4    17  e e8m0; qs[16]          nibble as Q4_0                          2^(e-127) * fp4(q)
//   Q2_K     84  scales[16]; qs[64]; d f16; dmin f16                 d * sc * q - dmin * m
//                q = bits 2(g%4).. of qs[32(g/4) + l]; sc, m = low and high nibble of scales[e/16]
//   Q3_K    110  hmask[32]; qs[64]; scales[12]; d f16                d * (sc - 32) * (q - 4)
//                q = bits as Q2_K, + 4 when bit g of hmask[l] is set; sc of 6 bits, j = e/16: low
//                four in the nibble j/8 of scales[j%8], high two in bits 2(j/4).. of scales[8+j%4]
//   Q4_K    144  d f16; dmin f16; scales[12]; qs[128]                d * sc * q - dmin * m
//                q = nibble g%2 of qs[32(g/2) + l]; sc, m of 6 bits: q4_k_scale(.., g), q4_k_min
//   Q5_K    176  d f16; dmin f16; scales[12]; qh[32]; qs[128]        as Q4_K
//                q = nibble as Q4_K, + 16 when bit g of qh[l] is set
//   Q6_K    210  ql[128]; qh[64]; scales[16] i8; d f16               d * scales[e/16] * (q - 32)
//                h = g/4, k = g%4: low four in the nibble k/2 of ql[64h + 32(k%2) + l], high two
//                in bits 2k.. of qh[32h + l]
//   IQ2_XXS  66  d f16; per group 4 bytes and a u32 word             d * (0.5 + s) / 4 * +-m
//                s = bits 28-31 of the word; for j = l/8: byte j names the pattern of eight
//                magnitudes m, bits 7j.. of the word their signs (ggml_codebooks.h)
//   IQ4_XS  136  d f16; scales_h u16; scales_l[4]; qs[128]           d * (sc - 32) * kIq4Values[q]
//                q = nibble l/16 of qs[16g + l%16]; sc of 6 bits: low four in the nibble g%2 of
//                scales_l[g/2], high two in bits 2g.. of scales_h
//
// Every product above fits a float's 24 bits, so decoding is exact, but for the one rounding of the
// difference in the types with minima.
#pragma once

#include "base/dtype.h"

#include <cstddef>
#include <cstdint>

namespace hadal {

inline constexpr std::size_t kGgmlGroup = 32;  ///< elements that are decoded together

/// True for the types above.
inline bool is_ggml_block(DType dtype) {
  return info(dtype).block_elements % kGgmlGroup == 0;
}

/// Decodes a whole block into info(dtype).block_elements floats. Precondition: is_ggml_block.
void decode_block(DType dtype, const std::byte* block, float* out) noexcept;

/// Decodes group `group` of a block into kGgmlGroup floats; same values.
void decode_group(DType dtype, const std::byte* block, std::size_t group, float* out) noexcept;

/// The 6-bit scale of group `g` in the twelve packed bytes of Q4_K and Q5_K: groups 0-3 in bytes
/// 0-3; groups 4-7 with the low four bits in the low nibble of bytes 8-11 and the high two on top
/// of bytes 0-3.
constexpr unsigned q4_k_scale(const std::byte* scales, std::size_t g) noexcept {
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(scales[i]); };
  return g < 4 ? byte(g) & 63u : (byte(g + 4) & 15u) | (byte(g - 4) >> 6) << 4;
}

/// The 6-bit minimum: groups 0-3 in bytes 4-7; groups 4-7 in the high nibble of bytes 8-11 and on
/// top of bytes 4-7.
constexpr unsigned q4_k_min(const std::byte* scales, std::size_t g) noexcept {
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(scales[i]); };
  return g < 4 ? byte(g + 4) & 63u : byte(g + 4) >> 4 | (byte(g) >> 6) << 4;
}

}  // namespace hadal
