// AdamW, and Muon for hidden matrices (world-model.md 5.2).
#pragma once

#include "train/train_config.h"
#include "train/v4_model.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace hadal::train {

/// Nearest matrix with singular values near 1, by five Newton-Schulz steps of degree 5 (Jordan et
/// al., "Muon", 2024). x [rows, cols] or [matrices, rows, cols].
at::Tensor orthogonalise(const at::Tensor& x);

class Optimizer {
 public:
  /// Updates the values of `parameters` in place (storage shared with the model). Parameters are
  /// dealt out to `n_threads` threads, which changes no result.
  Optimizer(std::vector<Parameter> parameters, OptimizerOptions options, std::size_t n_threads);

  /// One step with gradients[i] for parameter i (undefined: left alone). `factor` multiplies the
  /// learning rate. Returns the gradient norm before clipping; when it is not finite, nothing is
  /// changed.
  double step(const std::vector<at::Tensor>& gradients, double factor);

  /// State by name ("adam_m.<parameter>", "adam_v.", "momentum."), sharing storage: read it to
  /// save, copy into it to resume.
  std::map<std::string, at::Tensor> state() const;
  std::uint64_t n_steps() const { return n_steps_; }
  void set_n_steps(std::uint64_t n) { n_steps_ = n; }

 private:
  struct Slot {
    Parameter parameter;
    bool muon;
    at::Tensor first, second;  ///< AdamW moments; Muon uses the first as momentum
  };

  void update_muon(Slot& slot, const at::Tensor& gradient, double scale, double rate) const;
  void update_adamw(Slot& slot, const at::Tensor& gradient, double scale, double rate) const;

  std::vector<Slot> slots_;
  OptimizerOptions options_;
  std::size_t n_threads_;
  std::uint64_t n_steps_ = 0;
};

}  // namespace hadal::train
