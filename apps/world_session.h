// `hadal run` with a model that lives in causal worlds: requests in plain English, acted out in one
// of them.
#pragma once

#include "chat/language_model.h"

#include <cstdint>
#include <string>

namespace hadal {

struct WorldSessionOptions {
  std::string domain;      ///< of worlds::domains(), or several, or all
  std::uint64_t seed = 0;  ///< which world
};

/// Does the request and says how it ended. Errors: invalid_argument (domain), those of the model.
Result<void> answer_in_world(LanguageModel& model, const WorldSessionOptions& options,
                             const std::string& request);

/// A chat on a terminal, until /exit or the end of input.
Result<void> chat_in_world(LanguageModel& model, const WorldSessionOptions& options);

}  // namespace hadal
