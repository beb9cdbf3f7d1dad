// The tokenizer of one model in the form that another container wants.
#pragma once

#include "engine/model/checkpoint.h"
#include "model_output.h"

namespace hadal {

/// Fills in the tokenizer of `model` from `checkpoint`: tokenizer.json for safetensors; for GGUF
/// the vocabulary, or all metadata as it is when the source is GGUF too. A source without a
/// tokenizer is noted on stderr. Errors: bad_format.
Result<void> carry_tokenizer(const Checkpoint& checkpoint, bool to_gguf, ModelOutput& model);

}  // namespace hadal
