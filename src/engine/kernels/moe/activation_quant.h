// Which products of an expert see quantised activations in the QAT simulation (deepseek-v4.md 3.9).
#pragma once

#include "engine/kernels/matrix_view.h"

namespace hadal {

inline constexpr std::size_t kActivationBlock = 128;  ///< channels that share one scale

inline bool quantises_activations(const MatrixView& weight) noexcept {
  return weight.dtype == DType::f8_e4m3 || weight.dtype == DType::fp4 ||
         weight.dtype == DType::mxfp4;
}

}  // namespace hadal
