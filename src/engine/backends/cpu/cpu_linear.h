// Linear layers on the CPU: one token reads the stored weights directly, several are packed into
// tiles first. Same bits (kernels/simd/dot.h).
#pragma once

#include "engine/backends/cpu/task_runner.h"
#include "engine/kernels/cpu_kernels.h"

#include <vector>

namespace hadal {

/// Output rows of one task, and tokens of one task, chosen by shape.
struct LinearSplit {
  std::size_t rows;
  std::size_t tokens;
};

/// @param n_matrices  weights of this shape that one task reads (2 for gate and up).
LinearSplit split_linear(const LinearKernels& kernels, const MatrixView& weight,
                         std::size_t n_tokens, std::size_t n_matrices = 1) noexcept;

/// Floats of `n` packed tokens of `cols` columns.
std::size_t packed_floats(const LinearKernels& kernels, std::size_t n, std::size_t cols) noexcept;

class CpuLinear {
 public:
  CpuLinear(const LinearKernels& kernels, TaskRunner& runner)
      : kernels_(kernels), runner_(runner) {}

  void operator()(const LinearArgs& args);

 private:
  void one_token(const LinearArgs& args);
  void many_tokens(const LinearArgs& args);
  void pack(const Rows<const float>& x, std::size_t cols);

  const LinearKernels& kernels_;
  TaskRunner& runner_;
  std::vector<const float*> token_rows_;
  std::vector<float> packed_;
};

}  // namespace hadal
