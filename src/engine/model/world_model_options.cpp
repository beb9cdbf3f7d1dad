#include "engine/model/world_model_options.h"

namespace hadal {

Result<void> apply_options(const WorldModelOptions& options,
                           std::optional<WorldModelConfig>& world_model, std::string_view source) {
  if (options.off) world_model.reset();
  if (!world_model) {
    if (!options.required && !options.mask && !options.n_latent_steps) return {};
    return error(ErrorCode::invalid_argument, "{}: options for a world model, but {}", source,
                 options.off ? "it is off" : "this model has none (config.json: world_model)");
  }
  if (options.mask) world_model->mask = *options.mask;
  if (options.n_latent_steps) {
    const std::size_t most = world_model->max_latent_steps;
    if (*options.n_latent_steps < 1 || *options.n_latent_steps > most)
      return error(ErrorCode::invalid_argument,
                   "{}: expected 1 to {} latent steps (world_model.max_latent_steps), found {}",
                   source, most, *options.n_latent_steps);
    world_model->n_latent_steps = *options.n_latent_steps;
  }
  if (!world_model->structure_tokens) world_model->structure_tokens = options.structure_tokens;
  if (world_model->structure_tokens || !world_model->skip_root) return {};
  if (options.required)
    return error(
        ErrorCode::invalid_argument,
        "{}: neither config.json nor the tokenizer names structure tokens ({}, ..), so the "
        "world model would do nothing",
        source, StructureTokens::name(0));
  world_model.reset();
  return {};
}

}  // namespace hadal
