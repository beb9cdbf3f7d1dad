// A model's shape as metadata of GGUF files, architecture deepseek4 (deepseek-v4.md 9.1).
#pragma once

#include "engine/model/config.h"

#include <cstddef>

namespace hadal {

class GgufFile;
class GgufWriter;

/// Reads the metadata of a GGUF file of architecture deepseek4 (section 9.1), and validates it.
/// Scalars are accepted where newer files have arrays, and the other way round. Errors: unsupported
/// (another architecture; deepseek41 is named), not_found (a required key), bad_format,
/// invalid_argument (a rule of shape is violated).
Result<ModelConfig> config_from_gguf(const GgufFile& file);

/// Ok when the metadata keys can express this shape. Errors: unsupported, with a hint at
/// safetensors.
Result<void> check_gguf_can_hold(const ModelConfig& config);

/// Adds general.architecture and all deepseek4.* keys. `n_blocks` is what block_count says:
/// num_hidden_layers, plus the MTP blocks in a file that carries them.
void add_config_metadata(const ModelConfig& config, std::size_t n_blocks, GgufWriter& out);

/// Adds what `from` says beyond the shape and `out` does not say yet (vocabulary, chat template,
/// authors, ...), unchanged; nothing of the layout of its file (alignment, split parts).
void carry_metadata(const GgufFile& from, GgufWriter& out);

}  // namespace hadal
