// DeepSeek's pre-tokenizer: cuts a text into the pieces within which BPE merges (deepseek-v4.md
// section 10).
#pragma once

#include <string_view>
#include <vector>

namespace hadal {

/// The three regular expressions whose meaning `pre_tokenize` has, as tokenizer.json spells them.
inline constexpr std::string_view kDeepSeekSplits[] = {
    R"(\p{N}{1,3})",
    "[一-龥぀-ゟ゠-ヿ]+",
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)re"
    R"re(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re",
};

/// Appends the pieces of `text` to `pieces`: non-empty, in order, together the whole text; views of
/// it. Each split isolates: a match is a piece, a stretch between matches is a piece, and the next
/// split cuts all of them further, seeing one piece at a time.
/// A byte that belongs to no well-formed UTF-8 sequence is a piece of its own, before all splits.
/// Cost: linear in the text; about 10 bytes of scratch per character.
void pre_tokenize(std::string_view text, std::vector<std::string_view>& pieces);

}  // namespace hadal
