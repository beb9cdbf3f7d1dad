// UTF-8 and the few classes of code points that the pre-tokenizer tells apart. Unicode 16.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hadal {

enum class CharClass : std::uint8_t {
  word,    ///< \p{L} or \p{M}
  number,  ///< \p{N}
  mark,    ///< \p{P} or \p{S}
  space,   ///< \s: property White_Space
  other,   ///< the rest: controls, format characters, private use, unassigned
};

/// @param code_point  below 0x110000.
CharClass class_of(char32_t code_point);

struct Utf8Char {
  char32_t code_point;  ///< meaningless when not valid
  std::uint8_t length;  ///< 1 to 4; 1 when not valid
  bool valid;           ///< false: the byte at `at` belongs to no well-formed sequence
};

/// The character at byte `at` < text.size(). Well-formed as in table 3-7 of the Unicode standard:
/// no overlong forms, no surrogates, nothing above U+10FFFF.
Utf8Char decode_utf8(std::string_view text, std::size_t at);

}  // namespace hadal
