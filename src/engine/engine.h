// The engine's public surface: a model on disk becomes something that turns token ids into logits
// or tokens.
#pragma once

#include "engine/generate.h"
#include "engine/model/expert_counter.h"

#include <memory>
#include <optional>
#include <string>

namespace hadal {

struct EngineOptions {
  BackendOptions backend;
  ModelOptions model;
  PassLimits limits = {};  ///< memory for these is taken at once
  bool as_stored = false;  ///< leaves the cached file of weights in panel order alone
  bool counts_experts = false;
};

/// Owns checkpoint (mapped files), backend (threads) and model. One thread uses it at a time.
class Engine {
 public:
  /// `model`: directory, .gguf file, Hub id in the local cache, or "builtin" (Checkpoint::open).
  static Result<std::unique_ptr<Engine>> open(const std::string& model,
                                              const EngineOptions& options);
  static Result<std::unique_ptr<Engine>> create(Checkpoint checkpoint,
                                                const EngineOptions& options);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const ModelConfig& config() const { return checkpoint_.config(); }
  const Backend& backend() const { return *backend_; }
  /// The weights in panel order that the model uses; nullptr: all as stored.
  const ArrangedWeights* arranged() const { return arranged_ ? &*arranged_ : nullptr; }
  /// nullptr: EngineOptions::counts_experts was not set.
  const ExpertCounter* expert_counter() const { return expert_counter_.get(); }
  Model& model() { return *model_; }

 private:
  Engine(Checkpoint checkpoint, std::unique_ptr<Backend> backend);

  Checkpoint checkpoint_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ExpertCounter> expert_counter_;  ///< between model and backend
  std::optional<ArrangedWeights> arranged_;
  std::unique_ptr<Model> model_;
};

}  // namespace hadal
