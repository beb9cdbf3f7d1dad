// A LanguageModel in this process: prompt encoding, the engine, and the parser of its answers
// joined.
#pragma once

#include "chat/language_model.h"
#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

#include <functional>
#include <optional>

namespace hadal {

struct LocalModelOptions {
  std::size_t context = 0;   ///< most tokens of prompt and answer; 0: the model's own limit
  std::size_t n_drafts = 0;  ///< MTP speculation, given up when it does not pay;
                             ///< never changes the answer
  /// Prompt tokens done and in all, while a prompt is read; may be empty.
  std::function<void(std::size_t done, std::size_t total)> on_prefill;
};

/// Keeps the state of the last conversation: a request that continues it computes only what is new.
/// Engine thread only.
class LocalModel final : public LanguageModel {
 public:
  /// `engine` and `tokenizer` must outlive the model.
  LocalModel(Engine& engine, const Tokenizer& tokenizer, LocalModelOptions options);

  Result<Completion> complete(const CompletionRequest& request,
                              const OnChatEvent& on_event) override;

 private:
  /// A prompt as the engine takes it, and where its answer begins.
  struct PromptTokens {
    std::vector<std::int32_t> ids;
    AnswerStart answer = AnswerStart::content;
  };

  Result<PromptTokens> prompt_tokens(const CompletionRequest& request) const;
  /// Makes state_ hold a prefix of `prompt` and returns its length, which is below the prompt's.
  std::size_t reuse_prefix(std::span<const std::int32_t> prompt);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  LocalModelOptions options_;
  std::optional<SequenceState> state_;
  std::vector<std::int32_t> state_tokens_;  ///< what state_ has processed
};

SamplingOptions sampling_of(const CompletionOptions& options);

/// The tokenizer of a checkpoint: tokenizer.json or GGUF metadata. Errors: not_found, bad_format.
Result<Tokenizer> open_tokenizer(const Checkpoint& checkpoint);

/// The structure tokens among the added tokens of a tokenizer, for the world model; nothing when it
/// has none of them. Errors: bad_format, naming `source`, when it has some only.
Result<std::optional<StructureTokens>> find_structure_tokens(const Tokenizer& tokenizer,
                                                             std::string_view source);

}  // namespace hadal
