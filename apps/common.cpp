#include "common.h"

#include "chat/local_model.h"

#include <fmt/format.h>

#include <cstdio>

namespace hadal {

void add_engine_flags(CLI::App& verb, EngineFlags& flags) {
  verb.add_option("-m,--model", flags.model,
                  "directory with config.json, .gguf file, Hub id in the local cache, or builtin")
      ->capture_default_str();
  verb.add_option("-t,--threads", flags.threads,
                  "threads (0: one per core that this process may use, within its CPU quota)");
  verb.add_option(
          "--pin", flags.pin,
          "worker threads run anywhere (none), on one hardware thread of each core (cores), "
          "or each on a core of its own (fixed: for a machine without neighbours)")
      ->check(CLI::IsMember({"none", "cores", "fixed"}))
      ->capture_default_str();
  verb.add_option("--backend", flags.backend, "ref (scalar reference) or cpu")
      ->check(CLI::IsMember({"ref", "cpu"}))
      ->capture_default_str();
  verb.add_flag("--exact", flags.exact,
                "cpu: float32 activations for quantised weights too (slower; default: int8, one "
                "scale per 32)");
  verb.add_flag(
      "--qat", flags.fake_quant,
      "simulate the FP8/FP4 activations of the official inference code (implies --exact)");
  verb.add_flag("--as-stored", flags.as_stored,
                "leave the weights that `hadal arrange` has cached alone");
  verb.add_option("--world-model", flags.world_model,
                  "the world model, if the model has one: off, on, or what its attention sees: "
                  "causal_graph, causal_parents, token_causal, random_graph, none (default: as "
                  "its config says)")
      ->check(CLI::IsMember(
          {"on", "off", "causal_graph", "causal_parents", "token_causal", "random_graph", "none"}));
  verb.add_option("--latent-steps", flags.latent_steps,
                  "loops of the world model (default: as its config says)")
      ->check(CLI::Range(1, 64));
}

Result<WorldModelOptions> world_model_options(const EngineFlags& flags,
                                              const Checkpoint& checkpoint) {
  WorldModelOptions options{.off = flags.world_model == "off",
                            .required = flags.world_model == "on",
                            .mask = parse_mask_mode(flags.world_model),
                            .n_latent_steps = flags.latent_steps};
  const auto& config = checkpoint.config().world_model;
  if (options.off || !config || config->structure_tokens) return options;
  if (!checkpoint.tokenizer_json()) return options;  // GGUF holds no world model
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(checkpoint));
  HADAL_ASSIGN(options.structure_tokens, find_structure_tokens(tokenizer, checkpoint.name()));
  return options;
}

std::string_view world_model_mode(const Model& model) {
  const auto& world_model = model.config().world_model;
  return world_model ? name_of(world_model->mask) : "off";
}

MemoryPlacement place_memory(std::size_t n_threads) {
  const std::size_t n = n_threads != 0 ? n_threads : default_n_threads();
  return interleave_memory(nodes_to_interleave(cpu_topology(), n));
}

Pinning pinning_of(const EngineFlags& flags) {
  if (flags.pin == "none") return Pinning::none;
  return flags.pin == "fixed" ? Pinning::fixed : Pinning::cores;
}

Result<std::unique_ptr<Engine>> open_engine(const EngineFlags& flags) {
  constexpr std::size_t kMostThreads = 1024;
  if (flags.threads > kMostThreads) {
    return error(ErrorCode::invalid_argument, "--threads {}: expected at most {}", flags.threads,
                 kMostThreads);
  }
  EngineOptions options;
  options.backend.kind = flags.backend == "ref" ? BackendKind::ref : BackendKind::cpu;
  options.backend.n_threads = flags.threads;
  options.backend.pinning = pinning_of(flags);
  options.backend.exact = flags.exact || flags.fake_quant;
  options.model.fake_quant = flags.fake_quant;
  options.as_stored = flags.as_stored;
  options.counts_experts = flags.counts_experts;
  place_memory(flags.threads);
  HADAL_ASSIGN(Checkpoint checkpoint, Checkpoint::open(flags.model));
  HADAL_ASSIGN(options.model.world_model, world_model_options(flags, checkpoint));
  return Engine::create(std::move(checkpoint), options);
}

ThinkMode think_mode(std::string_view name) {
  if (name == "high") return ThinkMode::high;
  if (name == "max") return ThinkMode::max;
  return ThinkMode::off;
}

int report(std::string_view verb, const Error& error) {
  fmt::print(stderr, "hadal {}: {}\n", verb, error.message);
  return error.code == ErrorCode::invalid_argument ? kExitWrongUse : kExitFailed;
}

}  // namespace hadal
