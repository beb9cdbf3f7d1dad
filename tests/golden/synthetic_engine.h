// A model with the deterministic weights of deepseek-v4.md appendix A.1, in memory and in float32:
// what golden vectors are made with.
#pragma once

#include "engine/engine.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Keeps the checkpoint's bytes alive beside the engine's parts.
struct SyntheticEngine {
  std::vector<std::byte> image;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Model> model;
};

/// Stops the test program when anything fails. `config_json` in any form that parse_config accepts.
SyntheticEngine make_synthetic_engine(std::string_view config_json, const BackendOptions& backend,
                                      const ModelOptions& options = {});

/// Whether this machine runs the kernels that HADAL_CPU_ISA = `isa` names; nullptr: backend ref.
bool runs_here(const char* isa);
/// With these kernels.
SyntheticEngine make_synthetic_engine_on(const char* isa, std::string_view config_json,
                                         std::size_t n_threads = 2,
                                         const ModelOptions& options = {});

/// Config G1 of appendix A.2, published form, with its MTP block.
std::string g1_config_json();

/// (7 i^2 + 3 i + 11) mod vocab_size for i in [first, first + n).
std::vector<std::int32_t> golden_tokens(std::size_t first, std::size_t n, std::size_t vocab_size);

/// One-shot logits of all positions, [n_tokens, vocab].
std::vector<float> one_shot(Model& model, std::span<const std::int32_t> tokens);

/// Logits of all positions, fed in passes of the given lengths (the last one repeats until all
/// tokens are fed).
std::vector<float> in_passes(Model& model, std::span<const std::int32_t> tokens,
                             std::vector<std::size_t> lengths);

/// Logits of all positions of several sequences that share passes: fewer than `most` tokens of each
/// at a time, as `seed` draws them, often none.
std::vector<std::vector<float>> in_shared_passes(Model& model,
                                                 std::span<const std::vector<std::int32_t>> tokens,
                                                 std::size_t most, std::uint64_t seed);

}  // namespace hadal
