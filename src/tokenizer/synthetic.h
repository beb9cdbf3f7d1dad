// The tokenizer that `synth` writes beside random weights (product.md section 2).
#pragma once

#include "tokenizer/vocabulary.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace hadal {

/// bos, eos and pad at the given ids (they may coincide: the first name wins; ids outside of the
/// vocabulary are left out), then in the free ids in ascending order: the 256 bytes if they fit,
/// User, Assistant, think, /think, DSML as far as they fit, and place holders "<tok_N>" (N = id).
/// Where the bytes do not fit all others are place holders. No merges.
VocabularyTables make_synthetic_vocabulary(std::size_t vocab_size, std::int32_t bos,
                                           std::int32_t eos, std::int32_t pad);

/// The same as the text of a tokenizer.json.
std::string make_synthetic_tokenizer_json(std::size_t vocab_size, std::int32_t bos,
                                          std::int32_t eos, std::int32_t pad);

}  // namespace hadal
