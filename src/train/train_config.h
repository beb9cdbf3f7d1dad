// Everything that decides a training run, read from one JSON file.
#pragma once

#include "base/result.h"
#include "engine/model/config.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::train {

struct OptimizerOptions {
  bool muon = true;  ///< for hidden matrices; AdamW otherwise and for everything else
  double learning_rate = 3e-3;
  double beta1 = 0.9, beta2 = 0.98;
  double weight_decay = 0.1;  ///< matrices only
  double clip = 1.0;          ///< global gradient norm
};

struct TrainConfig {
  ModelConfig model;
  std::uint64_t seed = 1;
  std::uint64_t steps = 10000;  ///< end of the schedule in steps, and ...
  double budget_minutes =
      0.0;  ///< ... in minutes of training, resumed runs added (0: none); the earlier one rules
  std::size_t sequences_per_step = 32;
  std::size_t max_micro_tokens = 4096;
  std::size_t max_length = 1024;
  std::size_t threads = 1;  ///< data-parallel workers

  OptimizerOptions optimizer;
  std::uint64_t warmup_steps = 50;
  double decay_share =
      0.4;  ///< last part of the schedule, in which the learning rate falls linearly to 0
  double curriculum_share = 0.15;  ///< first part, in which worlds have depth 1..curriculum_depth
  int curriculum_depth = 2;
  int max_depth = 3;
  double quantize_share =
      0.0;  ///< last part, in which weights are rounded to FP4 / FP8 (straight-through)

  double mtp_weight = 0.3;
  std::uint64_t mtp_every = 1;  ///< the MTP block is trained in every n-th step
  /// With model.world_model.loss.counterfactual > 0, every n-th step also runs pairs of texts that
  /// differ in one intervention through the model, up to and with the world model: the worlds of
  /// the step's first sequences. No token of theirs is learnt to be predicted.
  std::uint64_t counterfactual_every = 4;
  std::size_t counterfactual_pairs = 4;
  double balance_loss = 1e-4;
  double balance_rate = 1e-3;

  std::uint64_t eval_every = 200;
  std::size_t eval_sequences = 96;
  /// Of the held-out sequences. Not the run's seed, so that curves of all runs are of the same
  /// ones.
  std::uint64_t eval_seed = 0;
  double checkpoint_minutes = 5.0;

  /// Path of tokenizer.json; empty: the caller's choice.
  std::string tokenizer;

  std::string text;  ///< the JSON it was read from, kept in the checkpoint
};

/// A config as text and where it comes from, for messages.
struct ConfigText {
  std::string json;
  std::string source;
};

/// One JSON object of several files: every file's keys over those of the files before it (RFC 7386:
/// null removes). A relative "tokenizer" is meant from the folder of the file that names it and
/// comes back as a path from the working directory. Errors: not_found, bad_format.
Result<ConfigText> read_config_files(const std::vector<std::string>& paths);

/// Unknown keys are errors. Key "model" has the published form of config.json; key "text" is left
/// to the caller. Errors: bad_format, invalid_argument, unsupported; `source` names the file.
Result<TrainConfig> parse_train_config(std::string_view json_text, std::string_view source);

/// Position in a run.
struct Progress {
  std::uint64_t step = 0;
  double seconds = 0.0;  ///< trained so far
};

/// 0 at the start, >= 1 when the run is complete.
double progress_share(const TrainConfig& config, const Progress& progress);
/// Factor of the learning rate: warm-up, plateau, linear decay.
double learning_rate_factor(const TrainConfig& config, const Progress& progress);
int depth_limit(const TrainConfig& config, const Progress& progress);

}  // namespace hadal::train
