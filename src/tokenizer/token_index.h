// Token id by text, over tables that outlive it.
#pragma once

#include "tokenizer/vocabulary.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

/// A sorted list rather than a hash table: its cost does not depend on what a hostile file holds.
class TokenIndex {
 public:
  /// All tokens but unused rows.
  explicit TokenIndex(const VocabularyTables& tables);

  std::optional<std::int32_t> find(std::string_view text) const;
  /// Ids of two tokens with the same text, if there are any.
  std::optional<std::pair<std::int32_t, std::int32_t>> find_duplicate() const;

 private:
  std::vector<std::pair<std::string_view, std::int32_t>> sorted_;
};

}  // namespace hadal
