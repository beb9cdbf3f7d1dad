#include "engine/engine.h"

namespace hadal {

Engine::Engine(Checkpoint checkpoint, std::unique_ptr<Backend> backend)
    : checkpoint_(std::move(checkpoint)), backend_(std::move(backend)) {}

Result<std::unique_ptr<Engine>> Engine::open(const std::string& model,
                                             const EngineOptions& options) {
  HADAL_ASSIGN(Checkpoint checkpoint, Checkpoint::open(model));
  return create(std::move(checkpoint), options);
}

Result<std::unique_ptr<Engine>> Engine::create(Checkpoint checkpoint,
                                               const EngineOptions& options) {
  HADAL_ASSIGN(std::unique_ptr<Backend> backend, make_backend(options.backend));
  std::unique_ptr<Engine> engine(new Engine(std::move(checkpoint), std::move(backend)));
  Backend* operators = engine->backend_.get();
  if (options.counts_experts && engine->config().n_routed_experts > 0) {
    const ModelConfig& config = engine->config();
    engine->expert_counter_ = std::make_unique<ExpertCounter>(
        *operators, config.num_hidden_layers + config.num_nextn_predict_layers,
        config.n_routed_experts);
    operators = engine->expert_counter_.get();
  }
  if (!options.as_stored && engine->backend_->reads_panels())
    engine->arranged_ = ArrangedWeights::find(engine->checkpoint_);
  ModelOptions model_options = options.model;
  model_options.arranged = engine->arranged();
  HADAL_ASSIGN(engine->model_, Model::create(engine->checkpoint_, *operators, model_options));
  engine->model_->reserve(options.limits);
  return engine;
}

}  // namespace hadal
