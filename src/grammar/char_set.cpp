#include "grammar/char_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

namespace hadal::grammar {
namespace {

constexpr char32_t kMaxChar = 0x10ffff;

std::string utf8_of(char32_t c) {
  std::string text;
  append_utf8(text, c);
  return text;
}

struct ByteRange {
  std::uint8_t low, high;
  auto operator<=>(const ByteRange&) const = default;
};

// Cuts a range of characters of equal length into sequences of byte ranges (every combination of
// bytes in a sequence is a character of the range).
void cut_range(const std::string& low, const std::string& high,
               std::vector<std::vector<ByteRange>>& sequences) {
  const std::size_t n = low.size();
  const auto byte = [](const std::string& text, std::size_t i) {
    return static_cast<std::uint8_t>(text[i]);
  };
  std::size_t common = 0;
  while (common < n && low[common] == high[common]) ++common;
  std::vector<ByteRange> prefix;
  for (std::size_t i = 0; i < common; ++i) prefix.push_back({byte(low, i), byte(low, i)});
  if (common == n) {
    sequences.push_back(prefix);
    return;
  }
  const auto all_at = [&](const std::string& text, char value) {
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(common) + 1, text.end(),
                       [&](char c) { return c == value; });
  };
  const bool low_is_round = all_at(low, '\x80'), high_is_round = all_at(high, '\xbf');
  std::uint8_t first = byte(low, common), last = byte(high, common);
  if (!low_is_round) {
    std::string top = low.substr(0, common + 1);
    top.resize(n, '\xbf');
    cut_range(low, top, sequences);
    ++first;
  }
  if (!high_is_round) --last;
  if (first <= last) {
    prefix.push_back({first, last});
    prefix.resize(n, {0x80, 0xbf});
    sequences.push_back(prefix);
  }
  if (!high_is_round) {
    std::string bottom = high.substr(0, common + 1);
    bottom.resize(n, '\x80');
    cut_range(bottom, high, sequences);
  }
}

std::vector<std::vector<ByteRange>> sequences_of(const CharSet& set) {
  std::vector<std::vector<ByteRange>> sequences;
  constexpr std::array<CharRange, 4> kLengths = {
      {{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xffff}, {0x10000, kMaxChar}}};
  for (const CharRange& range : set.ranges()) {
    for (const CharRange& length : kLengths) {
      const char32_t low = std::max(range.low, length.low);
      const char32_t high = std::min(range.high, length.high);
      if (low <= high) cut_range(utf8_of(low), utf8_of(high), sequences);
    }
  }
  return sequences;
}

std::string escape_of(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return c < 0x20 ? fmt::format("\\u{:04x}", static_cast<unsigned>(c)) : std::string();
  }
}

const CharSet& escaped_chars() {
  static const CharSet set({{0, 0x1f}, {'"', '"'}, {'\\', '\\'}});
  return set;
}

}  // namespace

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::u32string decode_chars(std::string_view utf8) {
  std::u32string chars;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<std::uint8_t>(utf8[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xc2 ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || i + length > utf8.size()) {
      chars += U'\ufffd';
      ++i;
      continue;
    }
    char32_t c = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k)
      c = (c << 6) | (static_cast<std::uint8_t>(utf8[i + k]) & 0x3fu);
    chars += c;
    i += length;
  }
  return chars;
}

CharSet::CharSet(std::vector<CharRange> ranges) {
  std::vector<CharRange> cut;
  for (const CharRange& range : ranges) {  // surrogates are no characters
    if (range.low < 0xd800 && range.low <= range.high)
      cut.push_back({range.low, std::min<char32_t>(range.high, 0xd7ff)});
    if (range.high > 0xdfff && range.low <= kMaxChar)
      cut.push_back({std::max<char32_t>(range.low, 0xe000), std::min(range.high, kMaxChar)});
  }
  std::sort(cut.begin(), cut.end(),
            [](const CharRange& a, const CharRange& b) { return a.low < b.low; });
  for (const CharRange& range : cut) {
    if (range.low > range.high) continue;
    if (!ranges_.empty() && range.low <= ranges_.back().high + 1) {
      ranges_.back().high = std::max(ranges_.back().high, range.high);
    } else {
      ranges_.push_back(range);
    }
  }
}

CharSet CharSet::all() {
  return CharSet({{0, kMaxChar}});
}

bool CharSet::contains(char32_t c) const {
  return std::ranges::any_of(ranges_,
                             [&](const CharRange& r) { return c >= r.low && c <= r.high; });
}

CharSet CharSet::complement() const {
  std::vector<CharRange> gaps;
  char32_t from = 0;
  for (const CharRange& range : ranges_) {
    if (range.low > from) gaps.push_back({from, range.low - 1});
    from = range.high + 1;
  }
  if (from <= kMaxChar) gaps.push_back({from, kMaxChar});
  return CharSet(std::move(gaps));
}

CharSet CharSet::operator|(const CharSet& other) const {
  std::vector<CharRange> both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CharSet(std::move(both));
}

CharSet CharSet::operator&(const CharSet& other) const {
  std::vector<CharRange> common;
  for (const CharRange& a : ranges_) {
    for (const CharRange& b : other.ranges_) {
      const char32_t low = std::max(a.low, b.low), high = std::min(a.high, b.high);
      if (low <= high) common.push_back({low, high});
    }
  }
  return CharSet(std::move(common));
}

StateId read_char(GrammarBuilder& builder, const CharSet& set, CharEncoding encoding,
                  StateId next) {
  const bool is_json = encoding == CharEncoding::json_string;
  const auto sequences = sequences_of(is_json ? set & escaped_chars().complement() : set);
  std::map<std::vector<ByteRange>, StateId> tails;  // equal endings share their states
  std::vector<Edge> edges;
  for (const auto& sequence : sequences) {
    StateId target = next;
    for (std::size_t i = sequence.size(); i-- > 1;) {
      const std::vector<ByteRange> tail(sequence.begin() + static_cast<std::ptrdiff_t>(i),
                                        sequence.end());
      const auto [place, is_new] = tails.try_emplace(tail, 0);
      if (is_new) place->second = builder.byte_range(tail[0].low, tail[0].high, target);
      target = place->second;
    }
    edges.push_back({sequence[0].low, sequence[0].high, target});
  }
  const CharSet escaped = is_json ? set & escaped_chars() : CharSet();
  if (!escaped.empty()) {
    std::vector<StateId> escapes;
    for (const CharRange& range : escaped.ranges())
      for (char32_t c = range.low; c <= range.high; ++c)
        escapes.push_back(builder.literal(escape_of(c).substr(1), next));
    edges.push_back({'\\', '\\', builder.split(std::move(escapes))});
  }
  return builder.read(std::move(edges));
}

std::string escape_json(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    const std::string escape = byte < 0x80 ? escape_of(byte) : std::string();
    if (escape.empty()) {
      escaped += c;
    } else {
      escaped += escape;
    }
  }
  return escaped;
}

}  // namespace hadal::grammar
