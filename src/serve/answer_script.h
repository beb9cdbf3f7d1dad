// Answers that are given beforehand, for tests of clients (`hadal serve --script FILE`): the model
// computes as ever, but only the next token of the script is allowed.
#pragma once

#include "base/result.h"
#include "protocol/request.h"
#include "tokenizer/tokenizer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// {"answers": [{"when": "weather", "say": "Let me look.</think>Sunny."}, ...]}: the first entry
/// whose `when` occurs in the last message (for completions: in the prompt) is said. Texts of
/// special tokens in `say` become those tokens. Immutable; any thread.
class AnswerScript {
 public:
  /// Errors: bad_format, naming `source` and the entry.
  static Result<AnswerScript> parse(std::string_view json, std::string_view source);

  /// Tokens of the answer to `request`; empty: the model answers by itself.
  std::vector<std::int32_t> tokens_for(const ApiRequest& request, const Tokenizer& tokenizer) const;

 private:
  struct Entry {
    std::string when, say;
  };
  std::vector<Entry> entries_;
};

}  // namespace hadal
