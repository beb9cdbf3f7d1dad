// From floats to ggml blocks with scales found by search (layouts: base/ggml_blocks.h).
//
// A quantiser minimises sum_i w_i (x_i - y_i)^2 over what the block can store, y being the decoded
// values and w the importance of the columns: with w_i the mean square of the activation that
// column i meets, that sum is the expected squared error of the product, if activations of
// different columns are uncorrelated. Scales (and minima) of each group are fitted by least squares
// to the codes of many trial scales; then the packed integer scales are searched around their
// rounded values, and the block's half-float scales fitted again to all of its codes. The result is
// never worse than plain rounding to the range of each group.
#pragma once

#include <cstddef>

namespace hadal {

/// `x`: the 32 (Q4_0) or 256 values of a block. NaN counts as 0; magnitudes are limited to 2^26.
/// `importance`: as many weights, of which only the ratios matter, or nullptr for equal ones;
/// negative and NaN count as 0, and no weight is taken below 1/1024 of the block's mean.
/// Deterministic: equal inputs give equal bytes, whatever the thread.
void quantize_q4_0(const float* x, const float* importance, std::byte* block) noexcept;
void quantize_q4_k(const float* x, const float* importance, std::byte* block) noexcept;
void quantize_q5_k(const float* x, const float* importance, std::byte* block) noexcept;
void quantize_q6_k(const float* x, const float* importance, std::byte* block) noexcept;

}  // namespace hadal
