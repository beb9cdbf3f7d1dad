// What running a model takes, from its shape and the largest pass: planned when it is loaded, and
// shown before (`hadal show --memory`).
#pragma once

#include "engine/backends/backend.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config.h"

#include <cstddef>
#include <cstdint>

namespace hadal {

/// The largest use that is planned for; more works too, and then allocates.
struct PassLimits {
  std::size_t n_tokens = 512;  ///< in one pass, all sequences together
  std::size_t n_sequences = 1;
  std::size_t n_logits = 1;  ///< positions whose logits one pass gives
  std::size_t context = 0;   ///< tokens of the longest sequence; 0: the model's limit
};

/// As stored and mapped, in bytes. Nothing of it is copied.
struct WeightBytes {
  std::uint64_t routed_experts = 0;
  std::uint64_t attention = 0;  ///< with compressors and indexers
  std::uint64_t embedding_and_head = 0;
  std::uint64_t mtp = 0;  ///< MTP blocks as a whole
  std::uint64_t world_model = 0;
  std::uint64_t other = 0;  ///< shared experts, routers, hyper-connections, norms

  std::uint64_t total() const {
    return routed_experts + attention + embedding_and_head + mtp + world_model + other;
  }
};

/// Of one sequence, by kind, in bytes.
struct StateBytes {
  std::uint64_t windows = 0;      ///< rings of latents, all layers
  std::uint64_t pending = 0;      ///< rings of the compressors: inputs of unfinished rows
  std::uint64_t csa_rows = 0;     ///< compressed rows, in pages
  std::uint64_t hca_rows = 0;     ///< likewise
  std::uint64_t index_keys = 0;   ///< rows of the indexers, in pages
  std::uint64_t world_model = 0;  ///< keys and values in pages, and what its graph reserves

  std::uint64_t total() const {
    return windows + pending + csa_rows + hca_rows + index_keys + world_model;
  }
};

struct MemoryPlan {
  WeightBytes weights;
  std::uint64_t activations = 0;  ///< the arena of the passes, allocated once
  std::uint64_t workspace = 0;    ///< inside of the backend, at most
  std::uint64_t logits = 0;
  StateBytes state;         ///< of each sequence at the planned context
  StateBytes state_per_1k;  ///< its growth per 1024 tokens
  std::size_t n_sequences = 1;

  /// Beside the program itself.
  std::uint64_t total() const {
    return weights.total() + activations + workspace + logits + n_sequences * state.total();
  }
};

MemoryPlan plan_memory(const Checkpoint& checkpoint, const Backend& backend,
                       const PassLimits& limits);

/// Most scratch memory that a pass takes at one time: the frames of the layers, added up by
/// lifetime (without the copies of QAT simulation).
std::size_t activation_bytes(const ModelConfig& config, const PassLimits& limits);

/// What SequenceState::bytes() is with `n_tokens` processed; with a world model at most, as long as
/// its graph fits into what it reserves.
StateBytes state_bytes(const ModelConfig& config, std::size_t n_tokens);
/// Growth per 1024 tokens, pages left aside.
StateBytes state_bytes_per_1k(const ModelConfig& config);

WeightBytes weight_bytes(const Checkpoint& checkpoint);

/// The same shape in the backend's terms, for float32 experts.
WorkShape work_shape(const ModelConfig& config, const PassLimits& limits);

}  // namespace hadal
