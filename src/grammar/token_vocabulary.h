// What a constraint must know of a vocabulary, prepared once: the trie of all tokens, and the
// tokens sorted by what they do inside of a JSON string.
#pragma once

#include "base/result.h"
#include "grammar/token_mask.h"
#include "grammar/token_trie.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::grammar {

inline constexpr std::size_t kMaxVocabTokenBytes = 4096;
/// Longer stretches of a JSON string in one token are allowed only where all of them fit.
inline constexpr std::size_t kMaxCountedChars = 128;

/// Index = token id.
struct TokenTexts {
  std::vector<std::string> bytes;  ///< of a special token: its text; empty: a row without a token
  std::vector<bool> is_special;    ///< allowed only where the grammar asks for that very token
  std::vector<std::int32_t> end_ids;  ///< end the text (EOS): allowed where the grammar is complete
};

/// Immutable; threads may share it. About 10 MB for 129,280 tokens.
class TokenVocabulary {
 public:
  /// Errors: invalid_argument (lists of different lengths, an end id outside, a token longer than
  /// kMaxVocabTokenBytes).
  static Result<std::shared_ptr<const TokenVocabulary>> create(TokenTexts texts);

  std::size_t vocab_size() const { return spelled_.size(); }
  /// The bytes as the automaton reads them (a special token: grammar.h); empty for a token that no
  /// grammar can allow: end ids, rows without a token, bytes that UTF-8 never has.
  std::string_view spelled(std::int32_t id) const { return spelled_[static_cast<std::size_t>(id)]; }
  bool is_end(std::int32_t id) const { return end_ids_.allows(id); }
  const TokenMask& end_ids() const { return end_ids_; }
  const TokenTrie& trie() const { return trie_; }

  /// Tokens that, begun between two characters of a JSON string, stay inside of it and begin or
  /// hold at most `n_chars` characters. n_chars > 0.
  const TokenMask& inside_string(std::size_t n_chars) const {
    if (n_chars >= longest_inside_) return inside_.back();
    return inside_[n_chars < kMaxCountedChars ? n_chars : kMaxCountedChars];
  }
  /// A token that closes the string behind `n_chars` > 0 whole characters.
  struct Closing {
    std::int32_t id;
    std::uint32_t n_chars;
  };
  std::span<const Closing> closings() const { return closings_; }
  /// What stands behind the closing quote, with the index of its Closing; those without anything
  /// come first: closings()[0, n_bare_closings()).
  const TokenTrie& behind_quote() const { return behind_quote_; }
  std::size_t n_bare_closings() const { return n_bare_closings_; }

 private:
  TokenVocabulary() = default;
  void sort_by_string_use();

  std::vector<std::string> spelled_;
  TokenMask end_ids_;
  TokenTrie trie_;
  std::vector<TokenMask> inside_;  ///< [n]: at most n characters; the last one: all
  std::size_t longest_inside_ = 0;
  std::vector<Closing> closings_;
  TokenTrie behind_quote_;
  std::size_t n_bare_closings_ = 0;
};

}  // namespace hadal::grammar
