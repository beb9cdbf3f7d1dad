// Byte-pair encoding of one piece: merges by rank, leftmost first among equals.
#pragma once

#include "base/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hadal {

/// Join `left` and `right` into `merged`; the index of a Merge in a list is its rank (0 goes
/// first).
struct Merge {
  std::int32_t left;
  std::int32_t right;
  std::int32_t merged;
};

/// Which pairs merge, at which rank, into what. Immutable; threads may share it.
class MergeTable {
 public:
  struct Entry {
    std::int32_t right;
    std::uint32_t rank;
    std::int32_t merged;
  };

  MergeTable() = default;
  /// @param merges  no pair twice, ids in [0, vocab_size), fewer than 2^32 - 1.
  MergeTable(std::span<const Merge> merges, std::size_t vocab_size);

  /// nullptr when the pair does not merge. Both ids in [0, vocab_size).
  const Entry* find(std::int32_t left, std::int32_t right) const noexcept;

 private:
  // Rows by left id, each sorted by right id: no hash that a hostile file could make collide.
  std::vector<std::uint32_t> row_begin_;  // vocab_size + 1
  std::vector<Entry> entries_;
};

/// Scratch of `append_bpe`, kept by one encode call so that pieces do not allocate.
struct BpeScratch {
  struct Symbol {
    std::int32_t id;
    std::uint32_t previous;
    std::uint32_t next;
    std::uint32_t rank;  // of the pair (this, next)
  };
  std::vector<Symbol> symbols;
  std::vector<std::uint64_t> queue;  // rank << 32 | symbol, a binary heap
};

/// Appends the ids of `piece`. `byte_ids` maps each byte to its token.
/// Cost: O(n log n) for any piece. @param piece  shorter than 2^31 bytes.
void append_bpe(std::string_view piece, std::span<const std::int32_t, 256> byte_ids,
                const MergeTable& merges, BpeScratch& scratch, std::vector<std::int32_t>& ids);

}  // namespace hadal
