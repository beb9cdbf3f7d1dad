#include "tokenizer/bpe.h"

#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace hadal {
namespace {

using Ids = std::vector<std::int32_t>;
using ByteIds = std::array<std::int32_t, 256>;

ByteIds identity_bytes() {
  ByteIds ids{};
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// The definition: find the lowest rank, merge its leftmost occurrence, repeat.
Ids merge_by_definition(std::string_view piece, const std::vector<Merge>& merges) {
  Ids ids;
  for (char c : piece) ids.push_back(static_cast<std::uint8_t>(c));
  for (;;) {
    std::size_t best_rank = merges.size();
    std::size_t best_at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left != ids[i] || merges[rank].right != ids[i + 1]) continue;
        best_rank = rank;
        best_at = i;
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best_at] = merges[best_rank].merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

// Merges of random pairs of earlier tokens, over few letters so that they meet often.
std::vector<Merge> random_merges(RandomStream& random, std::size_t n_letters, std::size_t n) {
  Ids tokens(n_letters);
  std::iota(tokens.begin(), tokens.end(), 'a');
  std::vector<Merge> merges;
  std::vector<std::pair<std::int32_t, std::int32_t>> used;
  for (std::size_t i = 0; i < n; ++i) {
    const auto pick = [&] {
      return tokens[random.below(static_cast<std::uint32_t>(tokens.size()))];
    };
    const std::pair pair(pick(), pick());
    if (std::find(used.begin(), used.end(), pair) != used.end()) continue;
    used.push_back(pair);
    const auto merged = static_cast<std::int32_t>(256 + merges.size());
    merges.push_back({pair.first, pair.second, merged});
    tokens.push_back(merged);
  }
  // Any order of ranks is legal, also a long token before its parts.
  for (std::size_t i = merges.size(); i > 1; --i) {
    std::swap(merges[i - 1], merges[random.below(static_cast<std::uint32_t>(i))]);
  }
  return merges;
}

Ids encode(std::string_view piece, const MergeTable& table) {
  BpeScratch scratch;
  Ids ids;
  append_bpe(piece, identity_bytes(), table, scratch, ids);
  return ids;
}

TEST(Bpe, EqualsItsDefinitionOnRandomMerges) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    RandomStream random(seed);
    const std::size_t n_letters = 1 + random.below(4);
    const auto merges = random_merges(random, n_letters, 40);
    const MergeTable table(merges, 512);
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::string piece;
      for (std::uint32_t i = random.below(60); i > 0; --i) {
        piece.push_back(
            static_cast<char>('a' + random.below(static_cast<std::uint32_t>(n_letters))));
      }
      ASSERT_EQ(encode(piece, table), merge_by_definition(piece, merges))
          << "seed " << seed << ", piece " << piece;
    }
  }
}

TEST(Bpe, TakesTheLeftmostOfEqualPairs) {
  const std::vector<Merge> merges = {{'a', 'a', 256}};
  EXPECT_EQ(encode("aaa", MergeTable(merges, 257)), (Ids{256, 'a'}));
}

// A quadratic algorithm would need minutes here and trip the time limit of the test.
TEST(Bpe, MergesAMegabyteOfOneLetter) {
  std::vector<Merge> merges = {{'a', 'a', 256}};
  for (std::int32_t i = 0; i < 9; ++i) merges.push_back({256 + i, 256 + i, 257 + i});
  const std::string piece(std::size_t{1} << 20, 'a');

  const Ids ids = encode(piece, MergeTable(merges, 266));

  EXPECT_EQ(ids, Ids(1024, 265));
}

TEST(Bpe, LeavesScratchReusable) {
  const std::vector<Merge> merges = {{'a', 'b', 256}};
  const MergeTable table(merges, 257);
  BpeScratch scratch;
  Ids ids;
  for (std::string_view piece : {"ababab", "", "b", "ab"}) {
    append_bpe(piece, identity_bytes(), table, scratch, ids);
  }
  EXPECT_EQ(ids, (Ids{256, 256, 256, 'b', 256}));
}

TEST(MergeTable, FindsExactlyItsPairs) {
  const std::vector<Merge> merges = {{3, 9, 20}, {3, 1, 21}, {0, 9, 22}};
  const MergeTable table(merges, 23);

  ASSERT_NE(table.find(3, 1), nullptr);
  EXPECT_EQ(table.find(3, 1)->rank, 1u);
  EXPECT_EQ(table.find(3, 1)->merged, 21);
  EXPECT_EQ(table.find(1, 3), nullptr);
  EXPECT_EQ(table.find(22, 22), nullptr);
}

}  // namespace
}  // namespace hadal
