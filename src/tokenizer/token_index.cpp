#include "tokenizer/token_index.h"

#include <algorithm>
#include <cstddef>

namespace hadal {

TokenIndex::TokenIndex(const VocabularyTables& tables) {
  sorted_.reserve(tables.tokens.size());
  for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
    if (tables.types[id] == TokenType::unused) continue;
    sorted_.emplace_back(tables.tokens[id], static_cast<std::int32_t>(id));
  }
  std::sort(sorted_.begin(), sorted_.end());
}

std::optional<std::int32_t> TokenIndex::find(std::string_view text) const {
  const auto found =
      std::lower_bound(sorted_.begin(), sorted_.end(), text,
                       [](const auto& entry, std::string_view t) { return entry.first < t; });
  if (found == sorted_.end() || found->first != text) return std::nullopt;
  return found->second;
}

std::optional<std::pair<std::int32_t, std::int32_t>> TokenIndex::find_duplicate() const {
  const auto found =
      std::adjacent_find(sorted_.begin(), sorted_.end(),
                         [](const auto& a, const auto& b) { return a.first == b.first; });
  if (found == sorted_.end()) return std::nullopt;
  return std::pair(found->second, std::next(found)->second);
}

}  // namespace hadal
