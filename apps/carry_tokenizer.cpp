#include "carry_tokenizer.h"

#include <fmt/format.h>

#include <cstdio>

namespace hadal {
namespace {

/// The vocabulary from whichever form the model carries; nothing when it carries none.
Result<std::optional<VocabularyTables>> read_vocabulary(const Checkpoint& checkpoint) {
  if (const auto& json = checkpoint.tokenizer_json()) {
    HADAL_ASSIGN(auto tables,
                 vocabulary_from_tokenizer_json(*json, checkpoint.name() + "/tokenizer.json",
                                                checkpoint.config().vocab_size));
    const ModelConfig& config = checkpoint.config();  // ids under other names than DeepSeek's
    if (tables.bos < 0) tables.bos = config.bos_token_id;
    if (tables.eos < 0) tables.eos = config.eos_token_id;
    if (tables.pad < 0 && static_cast<std::size_t>(config.pad_token_id) < config.vocab_size)
      tables.pad = config.pad_token_id;
    return std::optional(std::move(tables));
  }
  if (checkpoint.gguf() != nullptr) {
    HADAL_ASSIGN(auto tables, vocabulary_from_gguf(*checkpoint.gguf()));
    return std::optional(std::move(tables));
  }
  return std::optional<VocabularyTables>();
}

}  // namespace

Result<void> carry_tokenizer(const Checkpoint& checkpoint, bool to_gguf, ModelOutput& model) {
  if (to_gguf && checkpoint.gguf() != nullptr) {
    model.metadata = checkpoint.gguf();
    return {};
  }
  if (!to_gguf && checkpoint.tokenizer_json()) {
    model.tokenizer_json = *checkpoint.tokenizer_json();
    return {};
  }
  HADAL_ASSIGN(auto vocabulary, read_vocabulary(checkpoint));
  if (!vocabulary) {
    fmt::print(stderr, "note: {} has no tokenizer, and so the output has none\n",
               checkpoint.name());
  } else if (to_gguf) {
    model.vocabulary = std::move(vocabulary);
  } else {
    model.tokenizer_json = tokenizer_json_from_vocabulary(*vocabulary);
  }
  return {};
}

}  // namespace hadal
