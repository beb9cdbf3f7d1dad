// Mixture of experts on the CPU: (token, slot) pairs are grouped by expert, each expert runs once
// over its group, and every token adds its own outputs in the order of its list.
#pragma once

#include "engine/backends/cpu/cpu_linear.h"
#include "engine/backends/cpu/task_runner.h"
#include "engine/kernels/cpu_kernels.h"
#include "engine/kernels/moe/moe.h"

#include <vector>

namespace hadal {

class CpuMoe {
 public:
  CpuMoe(const CpuKernels& kernels, const LinearVariants& variants, TaskRunner& runner)
      : kernels_(kernels), variants_(variants), runner_(runner) {}

  void operator()(const MoeArgs& args);

 private:
  /// The pairs of one expert (the shared expert: all tokens), side by side in every buffer.
  struct Group {
    const ExpertWeights* weights;
    const LinearKernels* up;    ///< for w1 and w3
    const LinearKernels* down;  ///< for w2
    std::size_t first_pair;
    std::size_t n;
    std::size_t hidden;         ///< where its [n, f] begins in gate_ and up_
    std::size_t packed_x;       ///< in packed_w1_ and packed_w3_
    std::size_t packed_hidden;  ///< in packed_w2_
  };
  /// Output rows [row_begin, row_end) of a group's matrices for tokens [token_begin, token_end).
  struct Task {
    const Group* group;
    std::size_t row_begin;
    std::size_t row_end;
    std::size_t token_begin;
    std::size_t token_end;
  };
  enum class Stage { up, down };

  void group_pairs(const MoeArgs& args);
  const LinearKernels* up_kernels(const ExpertWeights& weights) const;
  void add_group(const MoeArgs& args, const ExpertWeights& weights, std::size_t n);
  void quantise_inputs(const MoeArgs& args);
  void pack_inputs(const MoeArgs& args);
  void finish_hidden(const MoeArgs& args);
  void split(Stage stage);
  void up(const MoeArgs& args);
  void down(const MoeArgs& args);
  void combine(const MoeArgs& args);

  void multiply(const LinearKernels& kernels, const MatrixView& weight, const Task& task,
                const float* single, const float* packed, float* y) const;
  const float* input(const MoeArgs& args, const MatrixView& weight, std::size_t pair) const;

  const CpuKernels& kernels_;
  const LinearVariants& variants_;
  TaskRunner& runner_;

  std::vector<Group> groups_;
  std::vector<Task> tasks_;
  std::vector<std::size_t> next_pair_;  ///< [n_experts] while pairs are dealt out
  std::vector<std::size_t> pair_of_;    ///< token * (k + 1) + slot -> pair
  std::vector<std::size_t> token_of_;   ///< pair -> token
  std::size_t work_ = 0;                ///< multiply-adds of one matrix over all groups

  std::vector<float> quantised_x_;  ///< QAT simulation
  std::vector<float> packed_w1_;
  std::vector<float> packed_w3_;
  std::vector<float> gate_;  ///< then the hidden activations
  std::vector<float> up_;
  std::vector<float> packed_w2_;
  std::vector<float> out_;  ///< [n_pairs, d]
};

}  // namespace hadal
