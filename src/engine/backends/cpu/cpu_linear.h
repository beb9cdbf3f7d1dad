// Linear layers on the CPU. Quantised weights: integer products with packed tokens
// (kernels/linear/int8_layout.h). Other weights: one token reads them directly, several tokens are
// packed into tiles first; same bits (kernels/simd/dot.h).
#pragma once

#include "engine/backends/cpu/task_runner.h"
#include "engine/kernels/cpu_kernels.h"
#include "engine/kernels/linear/int8_layout.h"

#include <vector>

namespace hadal {

/// The ways to multiply on this machine.
struct LinearVariants {
  const LinearKernels* exact;
  const LinearKernels* int8;  ///< nullptr: all weights go the exact way

  const LinearKernels& of(const MatrixView& weight) const noexcept {
    return int8 != nullptr && has_int8_product(weight) ? *int8 : *exact;
  }
};

/// Output rows of one task, and tokens of one task, chosen by shape.
struct LinearSplit {
  std::size_t rows;
  std::size_t tokens;
};

/// @param n_matrices  weights of this shape that one task reads (2 for gate and up).
LinearSplit split_linear(const LinearKernels& kernels, const MatrixView& weight,
                         std::size_t n_tokens, std::size_t n_matrices = 1) noexcept;

class CpuLinear {
 public:
  CpuLinear(const LinearVariants& variants, TaskRunner& runner)
      : variants_(variants), runner_(runner) {}

  void operator()(const LinearArgs& args);

 private:
  void one_token(const LinearKernels& kernels, const LinearArgs& args);
  void packed_tokens(const LinearKernels& kernels, const LinearArgs& args);
  void pack(const LinearKernels& kernels, const Rows<const float>& x, std::size_t cols);

  const LinearVariants& variants_;
  TaskRunner& runner_;
  std::vector<const float*> token_rows_;
  std::vector<float> packed_;
};

}  // namespace hadal
