#include "protocol/opaque.h"

#include "base/random.h"
#include "protocol/json_text.h"

#include <fmt/format.h>

#include <cstdint>

namespace hadal {

namespace {

constexpr std::string_view kSealMark = "hadal-r1.";
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string reasoning_signature(std::string_view reasoning) {
  return fmt::format("hadal-s1.{:016x}", fnv1a64(reasoning));
}

std::string sealed_reasoning(std::string_view reasoning) {
  std::string out(kSealMark);
  for (std::size_t i = 0; i < reasoning.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 |
              (i + j < reasoning.size() ? static_cast<unsigned char>(reasoning[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j)
      out += i + j <= reasoning.size() ? kDigits[group >> (18 - 6 * j) & 63u] : '=';
  }
  return out;
}

std::optional<std::string> unseal_reasoning(std::string_view sealed) {
  if (!sealed.starts_with(kSealMark)) return std::nullopt;
  sealed.remove_prefix(kSealMark.size());
  if (sealed.size() % 4 != 0) return std::nullopt;
  while (sealed.ends_with('=')) sealed.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : sealed) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFu;
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    out += static_cast<char>(bits >> n_bits & 0xFFu);
  }
  if (!is_valid_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace hadal
