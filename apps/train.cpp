// hadal train: trains a model on the causal worlds (world-model.md section 5). Built with
// HADAL_TRAIN=ON only; without it the verb says so.
#include "common.h"
#include "verbs.h"

#ifdef HADAL_WITH_TRAIN
#include "agent/text_options.h"
#include "chat/local_model.h"
#include "formats/json_limits.h"
#include "tokenizer/tokenizer.h"
#include "train/kernels.h"
#include "train/loop.h"
#include "train/model_cost.h"
#include "train/train_config.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>
#endif

namespace hadal {

#ifdef HADAL_WITH_TRAIN
namespace {

struct TrainFlags {
  std::vector<std::string> configs;
  std::string init;
  std::string out;
  std::string tokenizer;
  double max_minutes = 0.0;
  double budget_minutes = -1.0;
  std::size_t threads = 0;
  std::optional<std::uint64_t> seed;
  bool fresh = false;
  bool resume = true;
  bool dry_run = false;
};

std::atomic<bool> stop_requested{false};

void request_stop(int) {
  stop_requested.store(true);
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Key "text" of the config: knobs of the training text. Its max_depth overrides the config's.
Result<TrainingTextOptions> text_options(const std::string& config, const std::string& source,
                                         int max_depth) {
  TrainingTextOptions options;
  options.max_depth = max_depth;
  HADAL_ASSIGN(const nlohmann::json json, parse_json(config, source));
  if (!json.contains("text")) return options;
  return parse_text_options(json["text"].dump(), source, options);
}

/// The world model finds events by the ids of the tokenizer's structure tokens, unless the config
/// gives them.
Result<void> give_structure_tokens(const Tokenizer& tokenizer, const std::string& source,
                                   ModelConfig& model) {
  if (!model.world_model || model.world_model->structure_tokens) return {};
  HADAL_ASSIGN(model.world_model->structure_tokens, find_structure_tokens(tokenizer, source));
  if (model.world_model->structure_tokens) return {};
  return error(ErrorCode::invalid_argument,
               "{}: lacks structure tokens (<|mech|> .. <|e95|>), which the world model needs",
               source);
}

/// train.json in `out`: the config as it counts, for a reader and for `eval worlds --options`.
Result<void> keep_config(const std::string& config, std::uint64_t seed,
                         const std::filesystem::path& out) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(config);
  json["seed"] = seed;
  std::error_code failed;
  std::filesystem::create_directories(out, failed);
  std::ofstream file(out / "train.json");
  file << json.dump(1) << "\n";
  if (!file.flush())
    return error(ErrorCode::io_error, "{}: cannot be written", (out / "train.json").string());
  return {};
}

std::string tokenizer_of(const TrainFlags& flags, const train::TrainConfig& config) {
  if (!flags.tokenizer.empty()) return flags.tokenizer;
  return config.tokenizer.empty() ? "models/builtin/tokenizer.json" : config.tokenizer;
}

Result<train::TrainSummary> train_model(const TrainFlags& flags) {
  HADAL_ASSIGN(const train::ConfigText config, train::read_config_files(flags.configs));
  train::TrainRun run;
  HADAL_ASSIGN(run.config, train::parse_train_config(config.json, config.source));
  if (flags.seed) run.config.seed = *flags.seed;
  if (flags.threads > 0) run.config.threads = flags.threads;
  if (flags.budget_minutes >= 0.0) run.config.budget_minutes = flags.budget_minutes;
  const std::string tokenizer_path = tokenizer_of(flags, run.config);
  HADAL_ASSIGN(run.tokenizer_json, read_text(tokenizer_path));
  HADAL_ASSIGN(const Tokenizer tokenizer, Tokenizer::from_json(run.tokenizer_json, tokenizer_path));
  if (tokenizer.vocab_size() > run.config.model.vocab_size)
    return error(ErrorCode::invalid_argument,
                 "{}: {} tokens, but the model of {} has vocab_size {}", tokenizer_path,
                 tokenizer.vocab_size(), config.source, run.config.model.vocab_size);
  HADAL_TRY(give_structure_tokens(tokenizer, tokenizer_path, run.config.model));
  HADAL_ASSIGN(const TrainingTextOptions options,
               text_options(config.json, config.source, run.config.max_depth));
  run.config.max_depth = options.max_depth;
  const auto text = [&](worlds::Split split, std::uint64_t seed) {
    return [&options, split, seed](std::uint64_t index, int max_depth) {
      return training_text(split, seed, index, options, max_depth);
    };
  };
  const train::TextStream train_stream(tokenizer, text(worlds::Split::train, run.config.seed),
                                       run.config.max_length, options.world.weights.decision);
  const train::TextStream heldout_stream(tokenizer, text(worlds::Split::test, run.config.eval_seed),
                                         run.config.max_length);
  HADAL_TRY(keep_config(config.json, run.config.seed, flags.out));
  const train::TextPairStream pairs(
      tokenizer,
      [&options, seed = run.config.seed](std::uint64_t index, int max_depth) {
        return training_pair(worlds::Split::train, seed, index, options, max_depth);
      },
      run.config.max_length);
  run.train = &train_stream;
  run.heldout = &heldout_stream;
  run.pairs = &pairs;
  run.init = flags.init;
  run.out = flags.out;
  run.max_minutes = flags.max_minutes;
  run.stop = &stop_requested;
  run.terminal = isatty(STDERR_FILENO) == 1;
  if (flags.fresh) {
    std::error_code ignored;
    std::filesystem::remove(run.out / "trainer.safetensors", ignored);
  }
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  return train::run_training(run);
}

/// Parameters and multiply-adds by part, so that configs can be matched.
Result<void> show_cost(const TrainFlags& flags) {
  HADAL_ASSIGN(const train::ConfigText text, train::read_config_files(flags.configs));
  HADAL_ASSIGN(const train::TrainConfig config, train::parse_train_config(text.json, text.source));
  std::vector<train::PartCost> parts = train::model_cost(config.model);
  parts.push_back(train::total_cost(parts));
  fmt::print("{:<24}{:>14}{:>16}\n", "part", "parameters", "MAC per token");
  for (const train::PartCost& part : parts)
    fmt::print("{:<24}{:>14}{:>16.0f}\n", part.part, part.n_parameters, part.macs_per_token);
  return {};
}

/// Starts this program again, with the same arguments, where BLAS would compute with kernels of
/// another age. Goes on when that fails.
void restart_with_blas_for_this_cpu() {
  const char* core = train::better_blas_core();
  if (core == nullptr) return;
  const auto command = read_text("/proc/self/cmdline");
  if (!command) return;
  std::vector<std::string> arguments;
  for (std::size_t begin = 0; begin < command->size();) {
    arguments.emplace_back(command->c_str() + begin);
    begin += arguments.back().size() + 1;
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  fmt::print(stderr, "train: OpenBLAS does not know this CPU; going on with its {} kernels\n",
             core);
  setenv("OPENBLAS_CORETYPE", core, 1);
  execv("/proc/self/exe", argv.data());
}

int run_train(const TrainFlags& flags) {
  if (flags.dry_run) {
    const auto shown = show_cost(flags);
    return shown ? 0 : report("train", shown.error());
  }
  if (flags.out.empty())
    return report("train", error(ErrorCode::invalid_argument, "--out is required"));
  restart_with_blas_for_this_cpu();
  const auto summary = train_model(flags);
  if (!summary) return report("train", summary.error());
  fmt::print(stderr,
             "{} after {} steps, {:.1f} M tokens, {:.1f} minutes; held out: loss {:.4f}, next "
             "action right {:.1f} %\n",
             summary->complete ? "complete" : "stopped (run again to resume)", summary->steps,
             static_cast<double>(summary->tokens) / 1e6, summary->seconds / 60.0,
             summary->heldout_loss, 100.0 * summary->next_action_accuracy);
  // A script must not take the weights of an interrupted run for a finished one's.
  return stop_requested.load() && !summary->complete ? 130 : 0;
}

}  // namespace

void add_train(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* verb = app.add_subcommand(
      "train", "Train a model on the causal worlds; resumes what it finds in --out");
  verb->add_option("--config", flags->configs,
                   "training config (JSON); models/training/ has those of the built-in model. Of "
                   "several, keys of later ones count")
      ->required();
  verb->add_option("--out", flags->out,
                   "directory of checkpoints, log and curve; its model opens with -m");
  verb->add_option("--init", flags->init,
                   "model directory whose weights the run starts from (a further stage), unless "
                   "--out can be resumed");
  verb->add_option("--tokenizer", flags->tokenizer,
                   "tokenizer.json (default: the config's; there none: models/builtin/)");
  verb->add_option("--max-minutes", flags->max_minutes,
                   "stop this process, with a checkpoint, after N minutes");
  verb->add_option("--budget-minutes", flags->budget_minutes,
                   "fit the whole schedule into N minutes of training");
  verb->add_option("-t,--threads", flags->threads, "data-parallel workers (default: the config's)");
  verb->add_option("--seed", flags->seed,
                   "of the initial weights and of the stream (default: the config's)");
  verb->add_flag("--fresh", flags->fresh, "start over instead of resuming");
  verb->add_flag("--dry-run", flags->dry_run,
                 "show the model's parameters and multiply-adds by part, and train nothing");
  verb->add_flag("--resume", flags->resume, "resume (the default)");
  verb->callback([flags, &exit_code] { exit_code = run_train(*flags); });
}

#else

void add_train(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("train", "Train a model (not in this build)");
  verb->allow_extras();
  verb->callback([&exit_code] {
    exit_code = report("train",
                       error(ErrorCode::unsupported,
                             "this program was built without the trainer; install libtorch-dev and "
                             "libopenblas0-pthread and configure with -DHADAL_TRAIN=ON"));
  });
}

#endif

}  // namespace hadal
