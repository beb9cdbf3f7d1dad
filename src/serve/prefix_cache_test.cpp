#include "serve/prefix_cache.h"

#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace hadal {
namespace {

using Tokens = std::vector<std::int32_t>;

/// One window of 4 rows: a tail of 16 bytes. Its only content that a test looks at is its length.
SequenceState state_of(std::size_t n_tokens) {
  std::vector<LayerState> layers;
  layers.push_back({.window = PositionRing(4, 1), .attention = {}, .indexer = {}});
  SequenceState state(std::move(layers), {}, std::nullopt);
  state.advance(n_tokens);
  return state;
}
constexpr std::size_t kTail = 16;
constexpr PrefixCache::Limits kRoomy{.max_bytes = 1 << 20, .max_tokens = 1 << 20};

void put(PrefixCache& cache, const Tokens& tokens, SnapshotKind kind = SnapshotKind::turn) {
  cache.insert(tokens, state_of(tokens.size()), kind);
}

std::size_t restored(PrefixCache& cache, const Tokens& tokens) {
  return cache.find(tokens, tokens.size()).n_restored();
}

}  // namespace

TEST(PrefixCache, FindsTheLongestSnapshotWithinTheCommonPrefix) {
  PrefixCache cache(kRoomy, {});
  put(cache, {1, 2, 3});
  put(cache, {1, 2, 3, 4, 5, 6});

  EXPECT_EQ(restored(cache, {1, 2, 3, 4, 5, 6, 7}), 6u);
  const PrefixMatch edited = cache.find(Tokens{1, 2, 3, 4, 9}, 5);
  EXPECT_EQ(edited.n_known, 4u);
  EXPECT_EQ(edited.n_restored(), 3u);
  EXPECT_FALSE(edited.was_evicted);
  EXPECT_EQ(restored(cache, {1, 2}), 0u);
  EXPECT_EQ(cache.find(Tokens{1, 2}, 2).n_known, 2u);
  EXPECT_EQ(restored(cache, {7}), 0u);
  EXPECT_EQ(cache.find(Tokens{1, 2, 3, 4, 5, 6}, 5).n_restored(), 3u) << "one token to compute";
  EXPECT_EQ(restored(cache, {}), 0u);
}

TEST(PrefixCache, SaysWhenALongerOneWasGivenUp) {
  PrefixCache cache({.max_bytes = kTail, .max_tokens = 100}, {});
  put(cache, {1, 2, 3, 4}, SnapshotKind::boundary);
  put(cache, {1, 2});

  const PrefixMatch match = cache.find(Tokens{1, 2, 3, 4, 5}, 5);

  EXPECT_EQ(match.n_restored(), 2u);
  EXPECT_EQ(match.n_known, 4u);
  EXPECT_TRUE(match.was_evicted);
  EXPECT_EQ(cache.n_evicted(), 1u);
  put(cache, {1, 2, 3, 4});  // it is worth more than {1, 2}: two more tokens in the same bytes
  EXPECT_FALSE(cache.find(Tokens{1, 2, 3, 4, 5}, 5).was_evicted);
}

TEST(PrefixCache, GivesUpPassingSnapshotsBeforeLastingOnesAndOldBeforeNew) {
  PrefixCache cache({.max_bytes = 3 * kTail, .max_tokens = 1000}, {});
  put(cache, {1, 1}, SnapshotKind::turn);
  put(cache, {2, 2, 2, 2, 2, 2}, SnapshotKind::interval);
  put(cache, {3, 3}, SnapshotKind::boundary);
  put(cache, {4, 4}, SnapshotKind::turn);
  EXPECT_EQ(restored(cache, {2, 2, 2, 2, 2, 2}), 0u) << "an interval, though it saves most";
  put(cache, {5, 5}, SnapshotKind::turn);
  EXPECT_EQ(restored(cache, {3, 3}), 0u);
  EXPECT_EQ(restored(cache, {1, 1}), 2u);  // used just now
  put(cache, {6, 6}, SnapshotKind::turn);
  EXPECT_EQ(restored(cache, {4, 4}), 0u) << "the least recently used of equals";
  EXPECT_EQ(restored(cache, {1, 1}), 2u);
}

TEST(PrefixCache, OneOfLongTextsOutlivesOneOfShortTexts) {
  PrefixCache cache({.max_bytes = 2 * kTail, .max_tokens = 1000}, {});
  put(cache, Tokens(50, 1));
  put(cache, {2, 2});
  put(cache, {3, 3});
  put(cache, {4, 4});
  EXPECT_EQ(restored(cache, Tokens(50, 1)), 50u);
}

TEST(PrefixCache, UseKeepsASnapshotWorthItsPlace) {
  PrefixCache used({.max_bytes = 2 * kTail, .max_tokens = 1000}, {});
  PrefixCache idle({.max_bytes = 2 * kTail, .max_tokens = 1000}, {});
  const Tokens system(10, 1);
  put(used, system);
  put(idle, system);
  for (std::int32_t i = 2; i < 30; ++i) {
    put(used, {i, i});
    put(idle, {i, i});
    EXPECT_EQ(restored(used, system), system.size());
  }
  EXPECT_EQ(restored(idle, system), 0u);
}

TEST(PrefixCache, OneTakenForTwoReasonsLastsForTheBetter) {
  PrefixCache cache({.max_bytes = 2 * kTail, .max_tokens = 1000}, {});
  put(cache, {1, 1}, SnapshotKind::interval);
  put(cache, {1, 1}, SnapshotKind::turn);
  put(cache, {2, 2}, SnapshotKind::boundary);
  put(cache, {3, 3}, SnapshotKind::turn);
  EXPECT_EQ(restored(cache, {1, 1}), 2u);
  EXPECT_EQ(restored(cache, {2, 2}), 0u);
}

TEST(PrefixCache, CountsPagesThatOthersHoldToo) {
  std::size_t page_bytes = 0;
  PrefixCache cache({.max_bytes = 10 * kTail, .max_tokens = 100}, [&] { return page_bytes; });
  put(cache, {1});
  put(cache, {2});
  page_bytes = 9 * kTail;
  cache.shrink();
  EXPECT_EQ(cache.n_snapshots(), 1u);
  page_bytes = 11 * kTail;
  cache.shrink();
  EXPECT_EQ(cache.n_snapshots(), 0u);
  EXPECT_EQ(cache.tail_bytes(), 0u);
}

TEST(PrefixCache, RemembersABoundedNumberOfTokens) {
  PrefixCache cache({.max_bytes = 1 << 20, .max_tokens = 100}, {});
  for (std::int32_t i = 0; i < 50; ++i) put(cache, Tokens(10, i));
  EXPECT_LE(cache.n_tokens(), 100u);
  EXPECT_EQ(cache.n_snapshots(), 10u);
  EXPECT_EQ(restored(cache, Tokens(10, 49)), 10u);
  EXPECT_EQ(restored(cache, Tokens(10, 39)), 0u);
  cache.clear();
  EXPECT_EQ(cache.n_tokens(), 0u);
  EXPECT_EQ(restored(cache, Tokens(10, 49)), 0u);
}

// Against a list of all texts, over random texts that share beginnings.
TEST(PrefixCache, EqualsALinearSearchOnTenThousandRandomTexts) {
  PrefixCache cache(kRoomy, {});
  RandomStream random(7);
  std::set<Tokens> snapshots;
  const auto draw = [&] {
    Tokens tokens(1 + random.below(12));
    for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.below(3));
    return tokens;
  };
  for (int i = 0; i < 10000; ++i) {
    const Tokens tokens = draw();
    const std::size_t most = random.below(static_cast<std::uint32_t>(tokens.size() + 1));
    std::size_t known = 0, best = 0;
    for (const Tokens& other : snapshots) {
      const auto n = static_cast<std::size_t>(
          std::mismatch(tokens.begin(), tokens.end(), other.begin(), other.end()).first -
          tokens.begin());
      known = std::max(known, n);
      if (n == other.size() && n <= most) best = std::max(best, n);
    }
    const PrefixMatch match = cache.find(tokens, most);
    ASSERT_EQ(match.n_known, known) << i;
    ASSERT_EQ(match.n_restored(), best) << i;
    if (random.below(2) == 0) {
      put(cache, tokens);
      snapshots.insert(tokens);
    }
  }
  EXPECT_EQ(cache.n_snapshots(), snapshots.size());
}

// Whatever is put in, used and given up: the accounts agree with what is there.
TEST(PrefixCache, KeepsItsAccountsThroughRandomUse) {
  RandomStream random(11);
  for (int round = 0; round < 50; ++round) {
    PrefixCache cache(
        {.max_bytes = (1 + random.below(12)) * kTail, .max_tokens = 20 + random.below(60)}, {});
    for (int i = 0; i < 200; ++i) {
      Tokens tokens(1 + random.below(10));
      for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.below(2));
      if (random.below(2) == 0)
        put(cache, tokens, static_cast<SnapshotKind>(random.below(3)));
      else
        ASSERT_LE(restored(cache, tokens), tokens.size());
      ASSERT_EQ(cache.tail_bytes(), cache.n_snapshots() * kTail);
    }
  }
}

/// What PrefixCache promises, as a list that is searched from end to end.
class PlainCache {
 public:
  explicit PlainCache(PrefixCache::Limits limits) : limits_(limits) {}

  std::size_t find(const Tokens& tokens) {
    std::map<std::size_t, Snapshot*> prefixes;
    for (auto& [text, snapshot] : all_)
      if (is_prefix(text, tokens)) prefixes[text.size()] = &snapshot;
    for (const auto& [n, snapshot] : prefixes) snapshot->used = ++clock_;
    if (prefixes.empty()) return 0;
    touch(Tokens(tokens.begin(),
                 tokens.begin() + static_cast<std::ptrdiff_t>(prefixes.rbegin()->first)));
    return prefixes.rbegin()->first;
  }

  void put(const Tokens& tokens, SnapshotKind kind) {
    Snapshot& snapshot = all_[tokens];
    snapshot.kind = std::max(snapshot.kind, kind);
    touch(tokens);
    while (all_.size() * kTail > limits_.max_bytes) {
      const auto key = [](const auto& s) {
        return std::tuple(s.second.kind, s.second.worth, s.second.used);
      };
      const auto first = std::min_element(
          all_.begin(), all_.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
      floor_ = std::max(floor_, first->second.worth);
      all_.erase(first);
    }
    while (n_tokens() > limits_.max_tokens) forget_oldest();
  }

  std::size_t n_snapshots() const { return all_.size(); }
  /// On the edges of the tree: each prefix ends with one.
  std::size_t n_tokens() const {
    std::set<Tokens> prefixes;
    for (const auto& [text, snapshot] : all_)
      for (std::size_t n = 1; n <= text.size(); ++n)
        prefixes.insert(Tokens(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(n)));
    return prefixes.size();
  }

 private:
  struct Snapshot {
    SnapshotKind kind = SnapshotKind::interval;
    double worth = 0;
    std::uint64_t used = 0;
  };

  static bool is_prefix(const Tokens& a, const Tokens& b) {
    return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
  }
  void touch(const Tokens& tokens) {
    std::size_t n_above = 0;
    for (const auto& [text, snapshot] : all_)
      if (text.size() < tokens.size() && is_prefix(text, tokens))
        n_above = std::max(n_above, text.size());
    all_[tokens].worth =
        floor_ + static_cast<double>(tokens.size() - n_above) / static_cast<double>(kTail + 1);
    all_[tokens].used = ++clock_;
  }
  void forget_oldest() {
    auto oldest = all_.end();
    for (auto at = all_.begin(); at != all_.end(); ++at) {
      const bool goes_on = std::any_of(all_.begin(), all_.end(), [&](const auto& other) {
        return other.first.size() > at->first.size() && is_prefix(at->first, other.first);
      });
      if (!goes_on && (oldest == all_.end() || at->second.used < oldest->second.used)) oldest = at;
    }
    all_.erase(oldest);
  }

  PrefixCache::Limits limits_;
  std::map<Tokens, Snapshot> all_;
  double floor_ = 0;
  std::uint64_t clock_ = 0;
};

// Its orders are kept through every change: what goes is what a search of all would choose.
TEST(PrefixCache, GivesUpWhatAPlainSearchWould) {
  RandomStream random(13);
  for (int round = 0; round < 40; ++round) {
    // Short of bytes, or of tokens: a text without its snapshot is none in the plain list.
    const bool is_short_of_bytes = round % 2 == 0;
    const PrefixCache::Limits limits{
        .max_bytes = is_short_of_bytes ? (1 + random.below(12)) * kTail : 1 << 20,
        .max_tokens = is_short_of_bytes ? std::size_t{1} << 20 : 20 + random.below(60)};
    PrefixCache cache(limits, {});
    PlainCache plain(limits);
    for (int i = 0; i < 300; ++i) {
      Tokens tokens(1 + random.below(10));
      for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.below(3));
      if (random.below(2) == 0) {
        const auto kind = static_cast<SnapshotKind>(random.below(3));
        put(cache, tokens, kind);
        plain.put(tokens, kind);
      } else {
        ASSERT_EQ(restored(cache, tokens), plain.find(tokens)) << round << ", " << i;
      }
      ASSERT_EQ(cache.n_snapshots(), plain.n_snapshots()) << round << ", " << i;
      if (!is_short_of_bytes) {
        ASSERT_EQ(cache.n_tokens(), plain.n_tokens()) << round << ", " << i;
      }
    }
  }
}

}  // namespace hadal
