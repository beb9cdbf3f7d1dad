// out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * weight      (RMSNorm: Zhang & Sennrich 2019;
// deepseek-v4.md 2.2)
#pragma once

#include "engine/kernels/rows.h"

#include <span>

namespace hadal {

struct RmsNormArgs {
  Rows<const float> x;            ///< [n, width]
  std::span<const float> weight;  ///< [width], or empty for the weightless form UNorm
  Rows<float> out;                ///< [n, width]; may be x itself, else disjoint
  float eps;                      ///< > 0, added inside the root
};

void rms_norm_ref(const RmsNormArgs& args) noexcept;
void rms_norm_avx2(const RmsNormArgs& args) noexcept;
void rms_norm_avx512(const RmsNormArgs& args) noexcept;

}  // namespace hadal
