// What running a model takes beside its weights, from its shape and the largest pass: planned when
// it is loaded.
#pragma once

#include "engine/backends/backend.h"
#include "engine/model/config.h"

#include <cstddef>

namespace hadal {

/// The largest use that is planned for; more works too, and then allocates.
struct PassLimits {
  std::size_t n_tokens = 512;  ///< in one pass, all sequences together
  std::size_t n_sequences = 1;
  std::size_t n_logits = 1;  ///< positions whose logits one pass gives
  std::size_t context = 0;   ///< tokens of the longest sequence; 0: the model's limit
};

/// The same in the backend's terms.
WorkShape work_shape(const ModelConfig& config, const PassLimits& limits);

}  // namespace hadal
