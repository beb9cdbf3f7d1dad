#include "agent/stop_tokens.h"

#include "worlds/narrator.h"

namespace hadal {

Result<StopTokens> find_stop_tokens(const Tokenizer& tokenizer) {
  for (const std::string& token : worlds::structure_tokens()) {
    if (!tokenizer.find_special(token)) {
      return error(ErrorCode::unsupported,
                   "this model cannot play: its tokenizer lacks the structure token {}; only "
                   "models trained on causal worlds have it",
                   token);
    }
  }
  const auto eos = tokenizer.find_special(worlds::kEosToken);
  if (!eos)
    return error(ErrorCode::unsupported, "this model cannot play: its tokenizer has no end token");
  return StopTokens{*tokenizer.find_special("<|/ev|>"), *eos};
}

}  // namespace hadal
