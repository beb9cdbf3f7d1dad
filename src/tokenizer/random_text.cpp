#include "tokenizer/random_text.h"

#include "base/check.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <iterator>

namespace hadal {
namespace {

constexpr std::uint64_t kFirstSeed = 20260101;
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::uint32_t choose_index(RandomStream& random, std::size_t n) {
  return random.below(static_cast<std::uint32_t>(n));
}

std::string choose(RandomStream& random, const std::vector<std::string>& items) {
  return items[choose_index(random, items.size())];
}

std::string choose(RandomStream& random, std::string_view characters) {
  return std::string(1, characters[choose_index(random, characters.size())]);
}

std::string scalar(char32_t code_point) {
  return utf8_of(code_point >= 0xD800 && code_point < 0xE000 ? 0xFFFD : code_point);
}

std::string cjk_or_kana(RandomStream& random) {
  return random.below(2) != 0 ? utf8_of(0x4E00 + random.below(0x51A6))
                              : utf8_of(0x3040 + random.below(0xC0));
}

std::string repeat(std::string_view text, std::uint32_t times) {
  std::string repeated;
  for (std::uint32_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

std::size_t count_characters(std::string_view text) {
  std::size_t n = 0;
  for (char c : text) n += (static_cast<std::uint8_t>(c) & 0xC0) != 0x80;
  return n;
}

std::vector<std::string> characters_of(const nlohmann::json& code_points) {
  std::vector<std::string> characters;
  for (const auto& code_point : code_points)
    characters.push_back(utf8_of(code_point.get<char32_t>()));
  return characters;
}

}  // namespace

std::string utf8_of(char32_t c) {
  const auto byte = [](char32_t value) { return static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { return byte(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | (c >> 6)), tail(0)};
  if (c < 0x10000) return {byte(0xE0 | (c >> 12)), tail(6), tail(0)};
  return {byte(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)};
}

std::string read_golden(const std::string& name) {
  std::ifstream file(std::string(HADAL_SOURCE_DIR "/tests/golden/tokenizer/") + name,
                     std::ios::binary);
  HADAL_CHECK(file.is_open(), "a file of tests/golden/tokenizer is missing");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

RandomText::RandomText() {
  const nlohmann::json pools = nlohmann::json::parse(read_golden("text_pools.json"));
  spaces_ = characters_of(pools["spaces"]);
  edges_ = characters_of(pools["edges"]);
  fragments_ = pools["fragments"].get<std::vector<std::string>>();
}

std::string RandomText::unit(RandomStream& random, std::uint32_t pool,
                             std::string_view previous) const {
  switch (pool) {
    case 0:
      return choose(random, kLetters);
    case 1:
      return utf8_of(0x30 + random.below(10));
    case 2:
      return choose(random, kPunctuation);
    case 3:
      return choose(random, spaces_);
    case 4:
      return cjk_or_kana(random);
    case 5:
      return scalar(random.below(0x10000));
    case 6:
      return scalar(random.below(0x110000));
    case 7:
      return choose(random, edges_);
    case 8:
      return choose(random, fragments_);
    default:
      return repeat(previous, random.below(5));
  }
}

std::string RandomText::text(std::uint64_t index) const {
  RandomStream random(kFirstSeed + index);
  std::vector<std::uint32_t> pools(1 + random.below(3));
  for (std::uint32_t& pool : pools) pool = random.below(10);
  const std::uint32_t length = random.below(8) == 0 ? random.below(400) : random.below(40);

  std::string text;
  std::string previous = " ";
  for (std::uint32_t i = 0; i < length; ++i) {
    std::string next = unit(random, pools[choose_index(random, pools.size())], previous);
    text += next;
    const std::size_t n = count_characters(next);
    if (n > 0 && n < 40) previous = std::move(next);  // repeats must not grow without bound
  }
  return text;
}

}  // namespace hadal
