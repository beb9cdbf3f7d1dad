// Byte strings as a trie in one array, in the order of a depth-first walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hadal::grammar {

/// Immutable after construction. Walk: for each node in order, step the automaton with its byte;
/// if it dies, go on at `skip`, else at the node behind it.
class TokenTrie {
 public:
  struct Node {
    std::uint32_t skip;         ///< first node that is not below this one
    std::uint32_t first_value;  ///< values [first_value, first_value + n_values) end here
    std::uint32_t n_values;
    std::uint16_t depth;  ///< 1 for a first byte
    std::uint8_t byte;
  };

  struct Entry {
    std::string bytes;  ///< not empty, at most 65,535 bytes
    std::uint32_t value;
  };

  TokenTrie() = default;
  explicit TokenTrie(std::vector<Entry> entries);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const std::uint32_t> values_of(const Node& node) const {
    return std::span(values_).subspan(node.first_value, node.n_values);
  }
  std::size_t max_depth() const { return max_depth_; }

 private:
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> values_;
  std::size_t max_depth_ = 0;
};

}  // namespace hadal::grammar
