#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace hadal {
namespace {

using C = CharClass;

struct ClassRange {
  char32_t first;
  CharClass value;
};

constexpr ClassRange kRanges[] = {
#include "tokenizer/unicode_categories.inc"
};

CharClass search_class(char32_t code_point) {
  const auto* after =
      std::upper_bound(std::begin(kRanges), std::end(kRanges), code_point,
                       [](char32_t value, const ClassRange& range) { return value < range.first; });
  return std::prev(after)->value;
}

// The Basic Multilingual Plane holds nearly all text; looking it up in a table keeps scanning
// cheap.
constexpr std::size_t kPlaneSize = 0x10000;

std::array<CharClass, kPlaneSize> make_plane() {
  std::array<CharClass, kPlaneSize> plane{};
  for (std::size_t i = 0; i < kPlaneSize; ++i) plane[i] = search_class(static_cast<char32_t>(i));
  return plane;
}

constexpr bool is_continuation(std::uint8_t byte) {
  return (byte & 0xC0) == 0x80;
}

struct LeadByte {
  std::uint8_t length;  // 0: no sequence starts with this byte
  std::uint8_t second_min;
  std::uint8_t second_max;
};

constexpr LeadByte lead_byte(std::uint8_t byte) {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    return {3, static_cast<std::uint8_t>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<std::uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  }
  if (byte < 0xF5) {
    return {4, static_cast<std::uint8_t>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<std::uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

}  // namespace

CharClass class_of(char32_t code_point) {
  static const std::array<CharClass, kPlaneSize> plane = make_plane();
  return code_point < kPlaneSize ? plane[code_point] : search_class(code_point);
}

Utf8Char decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const Utf8Char invalid{0, 1, false};
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};

  const LeadByte lead = lead_byte(first);
  if (lead.length == 0 || text.size() - at < lead.length) return invalid;
  if (byte(1) < lead.second_min || byte(1) > lead.second_max) return invalid;

  char32_t code_point = first & (0xFFu >> (lead.length + 1));
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (!is_continuation(byte(i))) return invalid;
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  return {code_point, lead.length, true};
}

}  // namespace hadal
