// GPT-2's spelling of bytes as printable characters, used by tokenizer.json and GGUF for tokens and
// merges. Bytes that are printable in Latin-1 stand for themselves, the other 68 are U+0100 onward
// in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// " the" -> "Ġthe".
std::string spell_bytes(std::string_view bytes);

/// "Ġthe" -> " the"; nothing when a character stands for no byte.
std::optional<std::string> unspell_bytes(std::string_view spelled);

}  // namespace hadal
