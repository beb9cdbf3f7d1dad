#include "formats/quote.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace hadal {
namespace {

bool between(std::uint8_t byte, int low, int high) {
  return byte >= low && byte <= high;
}

// Bytes of the well-formed UTF-8 sequence at the start of `text` (Unicode Standard, table 3-7); 0
// when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto continues = [&](std::size_t i) { return between(at(i), 0x80, 0xBF); };
  const std::uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  if (between(lead, 0xC2, 0xDF)) return continues(1) ? 2 : 0;
  if (between(lead, 0xE0, 0xEF)) {
    const bool second = between(at(1), lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 0;
  }
  if (between(lead, 0xF0, 0xF4)) {
    const bool second = between(at(1), lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool is_control(std::string_view character) {
  const auto lead = static_cast<std::uint8_t>(character[0]);
  const bool c1 =
      lead == 0xC2 && static_cast<std::uint8_t>(character[1]) < 0xA0;  // U+0080 to U+009F
  return lead < 0x20 || lead == 0x7F || c1;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < max_bytes) {
    const std::size_t length = utf8_length(text.substr(at));
    const std::string_view character = text.substr(at, length == 0 ? 1 : length);
    if (length == 0 || is_control(character)) {
      for (const char c : character) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint8_t>(c));
      }
    } else {
      out += character;
    }
    at += character.size();
  }
  return at < text.size() ? out + "..." : out;
}

std::string quote(std::string_view name) {
  constexpr std::size_t kMaxBytes = 120;
  return fmt::format("'{}'", printable(name, kMaxBytes));
}

}  // namespace hadal
