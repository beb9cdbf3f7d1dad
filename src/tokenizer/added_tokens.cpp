#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

namespace hadal {

AddedTokens::AddedTokens(std::vector<Token> tokens) : sorted_(std::move(tokens)) {
  std::sort(sorted_.begin(), sorted_.end(),
            [](const Token& a, const Token& b) { return a.text < b.text; });
  for (const Token& token : sorted_) starts_[static_cast<std::uint8_t>(token.text[0])] = true;
}

std::optional<AddedTokens::Match> AddedTokens::match_at(std::string_view text,
                                                        std::size_t at) const {
  std::optional<Match> longest;
  auto begin = sorted_.begin();
  auto end = sorted_.end();
  // Before step `depth`, [begin, end) are the tokens that agree with the text on `depth` bytes.
  for (std::size_t depth = 0; at + depth < text.size() && begin != end; ++depth) {
    const auto next = static_cast<std::uint8_t>(text[at + depth]);
    const auto byte = [depth](const Token& token) {
      return static_cast<std::uint8_t>(token.text[depth]);
    };
    begin = std::partition_point(begin, end, [&](const Token& t) { return byte(t) < next; });
    end = std::partition_point(begin, end, [&](const Token& t) { return byte(t) == next; });
    if (begin != end && begin->text.size() == depth + 1) {  // the shortest sorts first
      longest = Match{at, depth + 1, begin->id};
      ++begin;
    }
  }
  return longest;
}

std::optional<AddedTokens::Match> AddedTokens::find_next(std::string_view text,
                                                         std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!starts_[static_cast<std::uint8_t>(text[at])]) continue;
    if (const auto match = match_at(text, at)) return match;
  }
  return std::nullopt;
}

std::optional<std::int32_t> AddedTokens::find_exact(std::string_view text) const {
  const auto found =
      std::lower_bound(sorted_.begin(), sorted_.end(), text,
                       [](const Token& token, std::string_view t) { return token.text < t; });
  if (found == sorted_.end() || found->text != text) return std::nullopt;
  return found->id;
}

}  // namespace hadal
