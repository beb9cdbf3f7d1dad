// What agents, evaluations and the server need from a model, whether it runs in this process or
// elsewhere.
#pragma once

#include "base/result.h"
#include "chat/message.h"
#include "chat/prompt_encoder.h"
#include "chat/stream_parser.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hadal {

/// How tokens are chosen and when to stop. The defaults are the model card's (deepseek-v4.md 11.7).
struct CompletionOptions {
  float temperature = 1.0f;         ///< 0: greedy
  std::int32_t top_k = 0;           ///< 0: off
  float top_p = 1.0f;               ///< 1: off
  float min_p = 0.0f;               ///< 0: off
  float repetition_penalty = 1.0f;  ///< 1: off; over prompt and answer
  float presence_penalty = 0.0f;    ///< 0: off; over the answer
  float frequency_penalty = 0.0f;   ///< 0: off; over the answer
  std::uint64_t seed = 0;
  std::size_t max_tokens = 0;       ///< 0: up to the context's end
  std::vector<std::string> stop{};  ///< generation ends before any of these; not part of the text
};

/// A conversation to answer, or token ids to continue as they are (no BOS is added).
struct CompletionRequest {
  std::variant<Conversation, std::vector<std::int32_t>> prompt;
  PromptOptions prompt_options{};
  CompletionOptions options{};
};

struct Completion {
  std::string text;  ///< the generated text, special tokens left out only at its end
  Message message;   ///< the text parsed; for token ids all of it is `content`
  FinishReason finish_reason = FinishReason::stop;
  std::size_t n_prompt_tokens = 0;
  std::size_t n_completion_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

/// Receives the parsed stream while it is generated; false stops the generation (finish_reason
/// stop).
using OnChatEvent = std::function<bool(const ChatEvent&)>;

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  /// Blocks until the answer is complete. `on_event` may be empty; it is called on the calling
  /// thread. Errors: invalid_argument (request), out_of_memory (prompt too long), io_error
  /// (remote). One call at a time unless an implementation says otherwise.
  virtual Result<Completion> complete(const CompletionRequest& request,
                                      const OnChatEvent& on_event) = 0;
};

}  // namespace hadal
