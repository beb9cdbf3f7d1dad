#include "chat/utf8_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace hadal {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// How long a character is and what its second byte may be (Unicode 15, table 3-7); length 0: no
/// first byte.
struct LeadByte {
  std::size_t length;
  std::uint8_t second_min = 0x80, second_max = 0xBF;
};

LeadByte lead_byte(std::uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

/// The longest beginning of `text` that is, or may become, one character: its length and whether it
/// is complete. Length 0: the first byte cannot begin a character.
struct Prefix {
  std::size_t length;
  bool complete;
};

Prefix character_prefix(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const LeadByte lead = lead_byte(byte(0));
  std::size_t n = lead.length == 0 ? 0 : 1;
  for (; n < std::min(lead.length, text.size()); ++n) {
    const std::uint8_t low = n == 1 ? lead.second_min : 0x80;
    const std::uint8_t high = n == 1 ? lead.second_max : 0xBF;
    if (byte(n) < low || byte(n) > high) break;
  }
  return {n, n == lead.length && n > 0};
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  const std::string text = held_ + std::string(bytes);
  held_.clear();
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const Prefix prefix = character_prefix(rest);
    if (!prefix.complete && prefix.length == rest.size()) {
      held_ = rest;
      break;
    }
    out += prefix.complete ? rest.substr(0, prefix.length) : kReplacement;
    rest.remove_prefix(std::max<std::size_t>(prefix.length, 1));
  }
  return out;
}

std::string Utf8Stream::flush() {
  if (held_.empty()) return {};
  held_.clear();
  return std::string(kReplacement);
}

}  // namespace hadal
