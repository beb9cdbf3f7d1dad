// The training loop. No LibTorch type appears here, so that the program compiles its verb quickly.
#pragma once

#include "base/result.h"
#include "train/pair_stream.h"
#include "train/token_stream.h"
#include "train/train_config.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

namespace hadal::train {

struct TrainRun {
  TrainConfig config;
  const TokenStream* train = nullptr;
  const TokenStream* heldout = nullptr;
  /// Needed when the config's counterfactual loss has a weight. Sequence i of `train` and pair i
  /// are of one world.
  const PairStream* pairs = nullptr;
  /// A model directory whose weights the run starts from instead of random ones (a second stage:
  /// fresh optimiser and schedule; a world model that it lacks is added, see read_weights); not
  /// looked at when `out` holds a checkpoint. May be empty.
  std::filesystem::path init;
  std::filesystem::path out;   ///< checkpoints, log and curve; a checkpoint found there is resumed
  std::string tokenizer_json;  ///< copied beside the model
  double max_minutes = 0.0;    ///< of this process; 0: until the schedule ends
  const std::atomic<bool>* stop = nullptr;  ///< set by a signal handler: save and return
  bool terminal = false;  ///< one progress line that is redrawn, instead of one line now and then
};

struct TrainSummary {
  std::uint64_t steps = 0;
  std::uint64_t tokens = 0;
  double seconds = 0.0;
  bool complete = false;  ///< the schedule has ended (not only this process)
  double heldout_loss = 0.0;
  double next_action_accuracy = 0.0;  ///< on held-out worlds
};

/// Trains until the schedule ends, time is up or `stop` is set; saves every
/// config.checkpoint_minutes and at the end. In `out`: model.safetensors + config.json +
/// tokenizer.json (the engine opens it), trainer.safetensors (resume), train.csv, train.svg.
/// Progress goes to stderr. Errors: io_error, bad_format (checkpoint of another model).
Result<TrainSummary> run_training(const TrainRun& run);

}  // namespace hadal::train
