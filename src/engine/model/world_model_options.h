// Choices at run time about the world model of a checkpoint.
#pragma once

#include "base/result.h"
#include "engine/model/world_model_config.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace hadal {

struct WorldModelOptions {
  bool off = false;                   ///< as if the checkpoint had none
  bool required = false;              ///< an error where there is none that could do something
  std::optional<MaskMode> mask = {};  ///< instead of the checkpoint's
  std::optional<std::size_t> n_latent_steps = {};  ///< likewise; 1 .. max_latent_steps
  /// Of the tokenizer, for a config that names none.
  std::optional<StructureTokens> structure_tokens = {};
};

/// What the options make of the `world_model` of a config: nothing when it is off, or can do
/// nothing (no structure tokens are known and only tokens of events are written). Errors:
/// invalid_argument (options for a model without world model, too many steps), naming `source`.
Result<void> apply_options(const WorldModelOptions& options,
                           std::optional<WorldModelConfig>& world_model, std::string_view source);

}  // namespace hadal
