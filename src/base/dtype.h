// Element types as they are stored in checkpoints (deepseek-v4.md sections 8.1 and 9.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hadal {

enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f8_e4m3,  ///< e4m3fn: no infinities, 0x7F/0xFF are NaN
  f8_e8m0,  ///< 2^(e-127); scales only
  fp4,      ///< e2m1, two per byte, element 2i in the low nibble of byte i (safetensors I8 experts)
  i8,
  i32,
  i64,
  u8,
  q8_0,   ///< ggml block of 32: f16 scale, 32 x i8 (34 bytes)
  mxfp4,  ///< ggml block of 32: e8m0 scale, 16 bytes; byte b holds value b (low) and b+16 (high)
          ///< (17 bytes)
  // More ggml blocks; their bytes are described in base/ggml_blocks.h.
  q4_0,
  q4_k,
  q5_k,
  q6_k,
  q2_k,
  q3_k,
  iq2_xxs,
  iq4_xs,
};

struct DTypeInfo {
  std::string_view name;
  std::size_t block_elements;  ///< elements per storage block (1 for plain types)
  std::size_t block_bytes;     ///< bytes per storage block
};

const DTypeInfo& info(DType dtype);

/// Bytes of `n` elements; `n` must be a multiple of the block (the caller has checked).
std::size_t bytes_of(DType dtype, std::size_t n);

}  // namespace hadal
