// Quantisation-aware-training simulation of the official inference code (deepseek-v4.md 3.9).
#pragma once

#include "engine/kernels/rows.h"

namespace hadal {

/// Q8: per `block` channels: amax = max(|x|, 1e-4), s = 2^ceil(log2(amax / 448)), x = e4m3(clamp(x
/// / s, +-448)) * s. The last block of a row may be shorter.
void fake_quant_e4m3(Rows<float> x, std::size_t block) noexcept;
/// Q4: per 32 channels: amax = max(|x|, 6 * 2^-126), s = 2^ceil(log2(amax / 6)), x = e2m1(clamp(x /
/// s, +-6)) * s.
void fake_quant_e2m1(Rows<float> x) noexcept;
/// Walsh-Hadamard transform in natural (Sylvester) order times width^-1/2; the width of a row is a
/// power of two.
void hadamard(Rows<float> x) noexcept;

}  // namespace hadal
