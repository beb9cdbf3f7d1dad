// Finds the texts of added tokens ("<think>") in a text, as Hugging Face `tokenizers` does:
// leftmost match first, the longest among those that start there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Immutable; threads may share it.
class AddedTokens {
 public:
  struct Token {
    std::string text;  ///< not empty, no text twice
    std::int32_t id;
  };
  struct Match {
    std::size_t begin;  ///< byte offset
    std::size_t size;
    std::int32_t id;
  };

  AddedTokens() = default;
  explicit AddedTokens(std::vector<Token> tokens);

  /// The first match that begins at byte `from` or later. Cost: O(text.size() * longest token) at
  /// worst; one table lookup per byte where no token begins.
  std::optional<Match> find_next(std::string_view text, std::size_t from) const;
  /// Id of the token with exactly this text.
  std::optional<std::int32_t> find_exact(std::string_view text) const;

 private:
  std::optional<Match> match_at(std::string_view text, std::size_t at) const;

  std::vector<Token> sorted_;  // by text, so that tokens with a common beginning are neighbours
  std::array<bool, 256> starts_{};
};

}  // namespace hadal
