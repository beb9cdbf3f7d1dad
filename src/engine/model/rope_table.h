// Rotary frequencies (deepseek-v4.md 3.2).
#pragma once

#include "engine/model/config.h"

#include <vector>

namespace hadal {

/// freq[i] = base^(-2i/rope_dim), [rope_dim / 2], in single precision as the reference forms them;
/// with YaRN blended towards freq / factor. No magnitude scaling: V4 multiplies neither cos/sin nor
/// the softmax scale.
std::vector<float> rope_frequencies(std::size_t rope_dim, double base,
                                    const std::optional<YarnScaling>& yarn);

}  // namespace hadal
