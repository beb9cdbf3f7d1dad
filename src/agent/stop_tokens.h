// The token ids that end an act.
#pragma once

#include "base/result.h"
#include "tokenizer/tokenizer.h"

#include <cstdint>

namespace hadal {

struct StopTokens {
  std::int32_t closer;  ///< <|/ev|>
  std::int32_t eos;
};

/// Errors: unsupported when the tokenizer lacks one of worlds::structure_tokens() or the end token:
/// its model cannot play.
Result<StopTokens> find_stop_tokens(const Tokenizer& tokenizer);

}  // namespace hadal
