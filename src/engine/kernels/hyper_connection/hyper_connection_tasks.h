// The element-wise parts of a hyper-connection for one token; the projection is a linear and the
// coefficients are coefficients.h.
#pragma once

#include "engine/kernels/hyper_connection/hyper_connection.h"

#include <cstddef>

namespace hadal {

struct HyperConnectionKernels {
  /// sum_i x[i]^2
  float (*sum_of_squares)(const float* x, std::size_t n) noexcept;
  /// hidden[i] = sum_j pre[j] X[j d + i], j ascending
  void (*collapse)(const float* x, const float* pre, std::size_t n_streams, std::size_t d,
                   float* hidden) noexcept;
  /// The contract of hyper_connection_write_ref, for hc_mult <= kMaxStreams.
  void (*write)(const HyperConnectionWriteArgs& args) noexcept;
};

inline constexpr std::size_t kMaxStreams = 16;  ///< more run through the reference

extern const HyperConnectionKernels kHyperConnectionAvx2;
extern const HyperConnectionKernels kHyperConnectionAvx512;

}  // namespace hadal
