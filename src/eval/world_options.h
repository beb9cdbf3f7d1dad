// Knobs of the worlds from a JSON file, for evaluations.
#pragma once

#include "base/result.h"
#include "worlds/options.h"

#include <filesystem>
#include <string>

namespace hadal::eval {

/// Reads an object whose keys are fields of worlds::WorldOptions ("topological_share": 0.3), or one
/// that has it under the key "text", as a training config does; there the trainer's own keys are
/// passed over. Errors: not_found, bad_format (an unknown key, a value of the wrong type, a share
/// outside of 0..1).
Result<worlds::WorldOptions> read_world_options(const std::filesystem::path& path);

/// The same as one line of JSON with all fields, for the settings of an evaluation.
std::string to_json(const worlds::WorldOptions& options);

}  // namespace hadal::eval
