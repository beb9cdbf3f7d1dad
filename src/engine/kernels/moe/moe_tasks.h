// The part of a mixture of experts that is not a linear or a SwiGLU.
#pragma once

#include <cstddef>

namespace hadal {

struct MoeKernels {
  /// y[i] = sum_s weights[s] outputs[s][i] for i in [begin, end), s ascending.
  void (*combine)(const float* const* outputs, const float* weights, std::size_t n,
                  std::size_t begin, std::size_t end, float* y) noexcept;
};

extern const MoeKernels kMoeAvx2;
extern const MoeKernels kMoeAvx512;

}  // namespace hadal
