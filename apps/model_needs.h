// What a model of a given shape needs before anything is loaded.
#pragma once

#include "engine/model/checkpoint.h"

#include <cstdint>

namespace hadal {

struct ModelNeeds {
  std::uint64_t n_parameters = 0;         ///< main layers, without MTP blocks
  std::uint64_t n_active_parameters = 0;  ///< that one token multiplies with (its experts only)
  std::uint64_t weight_bytes = 0;         ///< mapped, not copied
  std::uint64_t bytes_per_token = 0;      ///< weights that decoding one token reads
  std::uint64_t state_bytes = 0;          ///< of one sequence, constant part: rings
  std::uint64_t state_bytes_per_1k = 0;   ///< growth per 1024 tokens of context: compressed rows
};

/// Of the types that the published files have (FP8 with 128x128 scales, FP4 experts, bf16, f32).
ModelNeeds needs_of_published(const ModelConfig& config);

/// Of the tensors as they are stored in an opened checkpoint.
ModelNeeds needs_of(const Checkpoint& checkpoint);

}  // namespace hadal
