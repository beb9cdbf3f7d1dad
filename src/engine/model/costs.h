// What a model of a given shape computes and reads per token, from the shapes of its matrix
// products (world-model.md 4.4): the arithmetic behind "a mixture of experts is cheaper".
#pragma once

#include "engine/model/checkpoint.h"

#include <cstdint>
#include <optional>

namespace hadal {

/// One number per part of the model.
struct CostParts {
  std::uint64_t attention = 0;  ///< projections, compressors, indexers, scores and values
  std::uint64_t ffn = 0;        ///< routers, the chosen experts, shared experts
  std::uint64_t mhc = 0;        ///< hyper-connections: mixing matrices of all sites and of the head
  std::uint64_t head = 0;       ///< final logits
  std::uint64_t module = 0;     ///< the world model, all its loops
  std::uint64_t embedding = 0;  ///< one row; no operations

  std::uint64_t total() const { return attention + ffn + mhc + head + module + embedding; }
  CostParts& operator+=(const CostParts& other);
};

/// Operations of the token at `position` (0-based) of a sequence: 2 per multiply-add of matrix
/// products, attention (query x key, weight x value) and indexer scores; norms, softmax, Sinkhorn
/// and pooling are left out as negligible (deepseek-v4.md 12.1). Of the experts the
/// num_experts_per_tok chosen ones count. The MTP block is not part of it. `with_head`: logits are
/// computed for this token.
/// @param module_keys  tokens that the world model's attention sees; absent: all up to this one
/// (token_causal). A causal graph sees fewer: what its text declares.
CostParts token_flops(const ModelConfig& config, std::size_t position, bool with_head = true,
                      std::optional<std::size_t> module_keys = std::nullopt);

/// Mean of token_flops() over positions 0 .. n_tokens - 1, rounded down. @param n_tokens  > 0
CostParts mean_token_flops(const ModelConfig& config, std::size_t n_tokens);

/// Weights that a decode step of one sequence reads, scales included: all of them but unchosen
/// experts, tables that are looked up (one row of the embedding counts) and the MTP block. The
/// world model's count once, whatever its number of loops: they stay in the cache.
CostParts weight_bytes_per_token(const Checkpoint& checkpoint);
/// The same in numbers of weights, from the shape alone.
CostParts weights_per_token(const ModelConfig& config);

}  // namespace hadal
