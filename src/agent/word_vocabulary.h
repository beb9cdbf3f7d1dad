// The tokenizer of the compact text form: one token per word (experiments/world_model).
#pragma once

#include "tokenizer/vocabulary.h"

#include <cstddef>

namespace hadal {

/// Control, chat and structure tokens with the ids they have in the built-in model's tokenizer, the
/// 256 bytes, then " word" for every word of worlds::compact_words(). No merges but
/// ignore_merges, so a word is one token and everything else is its bytes. A word is never first
/// in a text or event without a space before it, so the form without the space is left out.
VocabularyTables word_vocabulary(std::size_t nouns_per_type);

}  // namespace hadal
