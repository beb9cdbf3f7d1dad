// A tensor of the model and what it is for.
#pragma once

#include <string>
#include <string_view>

#include <ATen/ATen.h>

namespace hadal::train {

/// What a tensor is for; decides its initialisation and its optimiser.
enum class ParameterKind {
  matrix,     ///< hidden matrix (or stack of expert matrices)
  embedding,  ///< embedding table
  head,       ///< output matrix
  router,     ///< gate matrix
  norm,       ///< norm weight, initially 1
  hyper,      ///< hyper-connection fn matrices
  vector,     ///< sinks, ape, hyper-connection base and scale, small parts of the world model
  bias,       ///< router bias: state without gradient
  table,      ///< tid2eid: int64, fixed
};

/// Tensors that only the auxiliary losses use (world-model.md 2.7): kept in checkpoints of the
/// trainer, not part of a written model.
inline bool is_train_only(std::string_view name) {
  return name.starts_with("world_model.predictor.");
}

/// One tensor of the model. Expert stacks carry "experts.*" in the name and are written one file
/// tensor per expert.
struct Parameter {
  std::string name;  ///< original DeepSeek name (8.2); stacks: layers.N.ffn.experts.*.w1.weight
  ParameterKind kind;
  at::Tensor value;
  bool trainable() const { return kind != ParameterKind::bias && kind != ParameterKind::table; }
};

}  // namespace hadal::train
