// out = silu(min(gate, limit)) * clamp(up, -limit, limit)     (deepseek-v4.md 6.2; the gate is
// clamped from above only)
#pragma once

#include "engine/kernels/rows.h"

namespace hadal {

struct SwigluArgs {
  Rows<const float> gate;  ///< [n, width]
  Rows<const float> up;    ///< [n, width]
  float limit;             ///< <= 0: no clamp
  Rows<float> out;         ///< [n, width]; may be gate or up
};

void swiglu_ref(const SwigluArgs& args) noexcept;
void swiglu_avx2(const SwigluArgs& args) noexcept;
void swiglu_avx512(const SwigluArgs& args) noexcept;

}  // namespace hadal
