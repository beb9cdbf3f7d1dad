// Integer products: quantised weights times activations that are rounded to int8, one scale per
// block of 32 columns. The one order of every sum (promise 2), the same for all instruction sets,
// tiles, batches and threads:
//   q[c] = round(x[c] 127 / a), a = max |x| in the block;   as = a / 127
//   y    = sum over the blocks b, ascending, by FMA, of  ws_b as_b * (sum_c w[c] q[c])
// The inner sum is exact: integers. Types with a minimum (w = ws v - m) subtract m as_b sum_c q[c]
// by a second FMA; types with two scales in a block add the low half before the high half.
#pragma once

#include "engine/kernels/matrix_view.h"

#include <cstddef>
#include <cstdint>

namespace hadal {

inline constexpr std::size_t kInt8Block = 32;
inline constexpr std::size_t kInt8Groups = 8;  ///< of 4 neighbouring columns: what one lane of an
                                               ///< integer dot product takes

/// A packed block of a tile of T tokens, in 32-bit words: [group][token] four int8, then one
/// word per token of each of these.
enum Int8Field : std::size_t {
  kScale = 8,      ///< float as
  kStart16 = 9,    ///< int32, -16 (sum of q): what a sum of weights with bias 16 starts with
  kStart128 = 10,  ///< int32, -128 (sum of q)
  kScaledSum = 11  ///< float, as * (sum of q)
};
inline constexpr std::size_t kInt8Words = 12;  ///< of one token and block

/// Behind all blocks of the tile, for types with two scales in a block: one word per token.
enum Int8HalfField : std::size_t {
  kStartLow = 0,  ///< int32, -32 (sum of q[0 .. 16))
  kStartHigh = 1  ///< int32, -32 (sum of q[16 .. 32))
};
inline constexpr std::size_t kInt8HalfWords = 2;

/// Whether `weight` is multiplied so: a quantised type whose values are small integers, whole
/// blocks.
inline bool has_int8_product(const MatrixView& weight) noexcept {
  if (weight.order == WeightOrder::panels) return true;  // only such weights are arranged
  if (weight.cols % kInt8Block != 0) return false;
  switch (weight.dtype) {
    case DType::q8_0:
    case DType::mxfp4:
    case DType::q4_0:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return true;
    case DType::fp4:
      return weight.scale_layout == ScaleLayout::group32 && weight.scale_dtype == DType::f8_e8m0;
    default:
      return false;
  }
}

}  // namespace hadal
