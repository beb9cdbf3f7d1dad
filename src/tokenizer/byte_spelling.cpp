#include "tokenizer/byte_spelling.h"

#include "tokenizer/unicode.h"

#include <array>
#include <cstddef>

namespace hadal {
namespace {

constexpr bool is_printable_latin1(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

constexpr std::size_t kHiddenBytes = 68;
constexpr unsigned kFirstHidden = 0x100;

constexpr std::array<std::uint8_t, kHiddenBytes> make_hidden() {
  std::array<std::uint8_t, kHiddenBytes> hidden{};
  std::size_t n = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!is_printable_latin1(byte)) hidden[n++] = static_cast<std::uint8_t>(byte);
  }
  return hidden;
}

constexpr std::array<std::uint8_t, kHiddenBytes> kHidden = make_hidden();

constexpr std::array<std::uint16_t, 256> make_spelling() {
  std::array<std::uint16_t, 256> spelling{};
  for (unsigned byte = 0; byte < 256; ++byte) spelling[byte] = static_cast<std::uint16_t>(byte);
  for (std::size_t i = 0; i < kHiddenBytes; ++i) {
    spelling[kHidden[i]] = static_cast<std::uint16_t>(kFirstHidden + i);
  }
  return spelling;
}

constexpr std::array<std::uint16_t, 256> kSpelling = make_spelling();

std::optional<char> byte_of(char32_t c) {
  if (c >= kFirstHidden && c < kFirstHidden + kHiddenBytes) {
    return static_cast<char>(kHidden[c - kFirstHidden]);
  }
  if (c < 0x100 && is_printable_latin1(static_cast<unsigned>(c))) return static_cast<char>(c);
  return std::nullopt;
}

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string spelled;
  spelled.reserve(bytes.size() * 2);
  for (char byte : bytes) {
    const unsigned c = kSpelling[static_cast<std::uint8_t>(byte)];
    if (c < 0x80) {
      spelled.push_back(static_cast<char>(c));
    } else {  // all below U+0800: two bytes
      spelled.push_back(static_cast<char>(0xC0 | (c >> 6)));
      spelled.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
  }
  return spelled;
}

std::optional<std::string> unspell_bytes(std::string_view spelled) {
  std::string bytes;
  bytes.reserve(spelled.size());
  for (std::size_t at = 0; at < spelled.size();) {
    const Utf8Char c = decode_utf8(spelled, at);
    const std::optional<char> byte = c.valid ? byte_of(c.code_point) : std::nullopt;
    if (!byte) return std::nullopt;
    bytes.push_back(*byte);
    at += c.length;
  }
  return bytes;
}

}  // namespace hadal
