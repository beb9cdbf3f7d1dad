// What several verbs share: flags that choose model and machine, and the way errors are said.
#pragma once

#include "base/numa.h"
#include "chat/prompt_encoder.h"
#include "engine/engine.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUse = 2;

/// Flags of every verb that computes.
struct EngineFlags {
  std::string model = "builtin";
  std::string backend = "cpu";
  std::size_t threads = 0;
  std::string pin = "cores";
  bool fake_quant = false;
  bool exact = false;
  bool as_stored = false;
  std::string world_model;  ///< on, off, or a mask; empty: as the model says
  std::optional<std::size_t> latent_steps;
  bool counts_experts = false;  ///< not a flag: EngineOptions::counts_experts
};

/// Adds -m/--model, -t/--threads, --pin, --backend, --exact, --qat, --as-stored, --world-model and
/// --latent-steps.
void add_engine_flags(CLI::App& verb, EngineFlags& flags);
/// Spreads memory over the nodes that `n_threads` (0: the default) work on. Before files are
/// opened.
MemoryPlacement place_memory(std::size_t n_threads);
/// --pin as a value.
Pinning pinning_of(const EngineFlags& flags);
/// --world-model and --latent-steps for `checkpoint`, with the structure tokens of its tokenizer
/// where its config names none. Errors: bad_format (a tokenizer with some of them only).
Result<WorldModelOptions> world_model_options(const EngineFlags& flags,
                                              const Checkpoint& checkpoint);
/// What the world model of an opened model does: off, or its mask.
std::string_view world_model_mode(const Model& model);
Result<std::unique_ptr<Engine>> open_engine(const EngineFlags& flags);

/// --think as a value: off, high or max.
ThinkMode think_mode(std::string_view name);

/// Prints `hadal VERB: message` on stderr and returns the exit code that fits the error.
int report(std::string_view verb, const Error& error);

}  // namespace hadal
