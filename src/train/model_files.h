// Models and trainer state on disk.
#pragma once

#include "base/result.h"
#include "engine/model/checkpoint.h"
#include "train/optimizer.h"
#include "train/train_config.h"
#include "train/v4_model.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace hadal::train {

/// Writes a model directory that the engine opens: config.json, model.safetensors (f32, original
/// names, one tensor per expert; not the train-only ones) and, if the text is not empty,
/// tokenizer.json. Errors: io_error.
Result<void> write_model(const V4Model& model, const std::string& tokenizer_json,
                         const std::filesystem::path& directory);

/// The model has a world model and the checkpoint's config has none.
bool is_grafted(const Checkpoint& checkpoint, const V4Model& model);

/// Overwrites the weights of `model` with those of an opened checkpoint, decoded to f32; train-only
/// ones stay as they are. If it is grafted, the world model's stay too, but for out_proj, which
/// becomes 0: the model then computes what the checkpoint's did (world-model.md 2.4). Errors:
/// bad_format (a tensor is missing or of another shape; `model` is then partly overwritten).
Result<void> read_weights(const Checkpoint& checkpoint, const V4Model& model);

/// A model with the config and the weights of an opened checkpoint. Errors as read_weights.
Result<V4Model> model_from_checkpoint(const Checkpoint& checkpoint);

/// What a resumed run needs beside the weights.
struct RunState {
  Progress progress;
  std::uint64_t tokens = 0;
};

/// trainer.safetensors in `directory`: weights, optimiser state, counters, config and git hash,
/// complete in itself and replaced atomically. Errors: io_error.
Result<void> save_run(const V4Model& model, const Optimizer& optimizer, const RunState& state,
                      const TrainConfig& config, const std::filesystem::path& directory);

/// Restores in place. Nothing when `directory` holds no checkpoint. Errors: bad_format (of another
/// shape).
Result<std::optional<RunState>> load_run(const V4Model& model, Optimizer& optimizer,
                                         const std::filesystem::path& directory);

}  // namespace hadal::train
