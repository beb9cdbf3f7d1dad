// The knobs of worlds and training text as JSON: key "text" of a training config, and the options
// file of an evaluation. One parser, so that both mean the same worlds.
#pragma once

#include "agent/training_text.h"
#include "base/result.h"

#include <string_view>

namespace hadal {

/// Reads a JSON object; absent keys keep what `base` has. Keys: those of TrainingTextOptions,
/// worlds::WorldOptions and worlds::LossWeights under the names of their fields (loss weights in an
/// object "weights"; "text_form" is "full" or "compact"; "domains" a list of names, or "all"). When
/// "domains" is absent, the full form has household and the compact form all of them;
/// "leave_out_domains" then takes some away (test-domain).
/// Errors: bad_format for an unknown key or a value out of range, naming `source` and the key.
Result<TrainingTextOptions> parse_text_options(std::string_view json_text, std::string_view source,
                                               const TrainingTextOptions& base = {});

}  // namespace hadal
