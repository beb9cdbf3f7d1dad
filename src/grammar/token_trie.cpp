#include "grammar/token_trie.h"

#include <algorithm>
#include <tuple>

namespace hadal::grammar {

TokenTrie::TokenTrie(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.bytes, a.value) < std::tie(b.bytes, b.value);
  });
  std::vector<std::uint32_t> open;  // nodes from the root to the last entry
  const auto close_to = [&](std::size_t depth) {
    while (open.size() > depth) {
      nodes_[open.back()].skip = static_cast<std::uint32_t>(nodes_.size());
      open.pop_back();
    }
  };
  std::string previous;
  for (const Entry& entry : entries) {
    const auto [in_previous, in_entry] =
        std::mismatch(previous.begin(), previous.end(), entry.bytes.begin(), entry.bytes.end());
    close_to(static_cast<std::size_t>(in_entry - entry.bytes.begin()));
    while (open.size() < entry.bytes.size()) {
      const auto byte = static_cast<std::uint8_t>(entry.bytes[open.size()]);
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<std::uint32_t>(values_.size()), 0,
                        static_cast<std::uint16_t>(open.size()), byte});
    }
    Node& node = nodes_[open.back()];
    if (node.n_values == 0) node.first_value = static_cast<std::uint32_t>(values_.size());
    ++node.n_values;
    values_.push_back(entry.value);
    max_depth_ = std::max(max_depth_, open.size());
    previous = entry.bytes;
  }
  close_to(0);
}

}  // namespace hadal::grammar
