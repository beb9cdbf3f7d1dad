// From the projected streams t to the mixing coefficients (deepseek-v4.md 2.3). A few hundred
// operations per token, always in double: shared by the reference and the variants.
#pragma once

#include "engine/kernels/hyper_connection/hyper_connection.h"

#include <cstddef>
#include <span>

namespace hadal {

/// pre[j] = sigmoid(t[j] scale + base[j]) + hc_eps, j = 0 .. pre.size() - 1.
void hyper_connection_pre(const double* t, float scale, const float* base, float hc_eps,
                          std::span<double> pre) noexcept;

/// t [(2 + n) n], its last n n values become the mixing matrix in place (work space: nothing is
/// allocated); pre [n]; writes row `token` of args.post and args.comb.
void hyper_connection_coefficients(const HyperConnectionReadArgs& args, std::size_t token,
                                   double* t, std::span<double> pre) noexcept;

}  // namespace hadal
