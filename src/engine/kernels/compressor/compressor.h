// Pooling of a compressor window into one row (deepseek-v4.md 4.1-4.2):
// out[w][i] = sum_s softmax_s(gate[s][i]) value[s][i], independently per channel i, over the slots
// s of window w.
#pragma once

#include "engine/kernels/rows.h"

#include <span>

namespace hadal {

struct CompressorPoolArgs {
  std::span<const float* const>
      values;  ///< [n_windows * n_slots] pointers to `width` floats; nullptr = slot absent
  std::span<const float* const> gates;  ///< the same order; position bias (ape) already added
  std::size_t
      n_slots;      ///< csa: 2 m (previous window's a-halves, then this window's b-halves); hca: m
  Rows<float> out;  ///< [n_windows, width]; every window has at least one present slot
};

void compressor_pool_ref(const CompressorPoolArgs& args) noexcept;
void compressor_pool_avx2(const CompressorPoolArgs& args) noexcept;
void compressor_pool_avx512(const CompressorPoolArgs& args) noexcept;

}  // namespace hadal
