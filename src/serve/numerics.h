// One number for all that changes the bits of a state, so that nothing of another model, build or
// mode is ever taken for the same (serving.md section 2).
#pragma once

#include "engine/engine.h"

#include <cstdint>

namespace hadal {

/// Of the model (config, all tensors' names, types, shapes and sampled bytes), this program's own
/// file, the backend without its number of threads, and how model and world model run. Reads some
/// KB per tensor: seconds for a model of 150 GB on a cold disk. Errors: io_error (the program's
/// file cannot be read).
Result<std::uint64_t> numerics_of(Engine& engine);

}  // namespace hadal
