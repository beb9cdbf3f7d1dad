#include "serve/snapshot_store.h"

#include "base/random.h"
#include "base/temporary_directory_for_test.h"
#include "serve/prefix_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Tokens = std::vector<std::int32_t>;

constexpr std::size_t kRatio = 4;

SequenceState empty_state() {
  const auto compressor = [] {
    return CompressorState{PositionRing(8, 3), PositionRing(8, 3), RowStore(5), kRatio};
  };
  std::vector<LayerState> layers;
  layers.push_back({PositionRing(4, 2), std::nullopt, std::nullopt});
  layers.push_back({PositionRing(4, 2), compressor(), compressor()});
  return SequenceState(std::move(layers), {}, std::nullopt);
}

/// A model in small: every number that it remembers depends on all tokens so far.
void read_tokens(SequenceState& state, std::span<const std::int32_t> tokens) {
  for (const std::int32_t token : tokens) {
    const std::size_t n = state.n_tokens();
    float sum = static_cast<float>(token);
    state.visit([&](const PositionRing& ring) { sum += 0.5f * ring.slots()[0]; },
                [](const RowStore&) {});
    state.visit(
        [&](PositionRing& ring) {
          for (float& value : ring.slots()) value = 0.25f * value + sum;
        },
        [&](RowStore& rows) {
          const std::vector<float> row(rows.width(), sum);
          if ((n + 1) % kRatio == 0) rows.append(row.data());
        });
    state.advance(1);
  }
}

SequenceState state_of(const Tokens& tokens) {
  SequenceState state = empty_state();
  read_tokens(state, tokens);
  return state;
}

/// All that a state holds.
std::vector<std::byte> image(const SequenceState& state) {
  auto bytes = rows_to_bytes(state, {});
  const auto tail = tail_to_bytes(state);
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

Tokens counted(std::size_t n, std::int32_t first = 1) {
  Tokens tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = first + static_cast<std::int32_t>(i);
  return tokens;
}

class SnapshotStoreTest : public testing::Test {
 protected:
  std::unique_ptr<SnapshotStore> open(std::uint64_t max_bytes = 1 << 20,
                                      std::uint64_t numerics = 7) {
    auto store =
        SnapshotStore::open({.folder = folder_, .numerics = numerics, .max_bytes = max_bytes});
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& file : fs::directory_iterator(folder_))
      if (file.path().extension() == ".snapshot") found.push_back(file.path());
    return found;
  }
  static void expect_loads(SnapshotStore& store, SnapshotStore::Id id, const Tokens& tokens) {
    SequenceState state = empty_state();
    ASSERT_TRUE(store.load(id, tokens, state));
    EXPECT_EQ(image(state), image(state_of(tokens)));
  }

  const TemporaryDirectory directory_;
  const fs::path folder_ = directory_.path() / "store";
};

TEST_F(SnapshotStoreTest, GivesBackEveryBit) {
  const auto store = open();
  const Tokens tokens = counted(23);

  const auto id = store->put(tokens, state_of(tokens), 0);

  ASSERT_NE(id, 0u);
  expect_loads(*store, id, tokens);
}

TEST_F(SnapshotStoreTest, AChildHoldsOnlyWhatItAdds) {
  const auto store = open();
  const Tokens begin = counted(400), whole = counted(408);

  const auto parent = store->put(begin, state_of(begin), 0);
  store->flush();
  const auto parent_bytes = store->numbers().n_bytes;
  const auto child = store->put(whole, state_of(whole), parent);
  store->flush();

  EXPECT_LT(store->numbers().n_bytes - parent_bytes, parent_bytes / 4);
  expect_loads(*store, child, whole);
  expect_loads(*store, parent, begin);
}

TEST_F(SnapshotStoreTest, OutlivesTheProcess) {
  const Tokens begin = counted(40), whole = counted(61);
  {
    const auto store = open();
    const auto parent = store->put(begin, state_of(begin), 0);
    store->put(whole, state_of(whole), parent);
  }

  const auto store = open();

  std::map<Tokens, SnapshotStore::Id> found;
  store->for_each([&](auto tokens, auto id) { found[Tokens(tokens.begin(), tokens.end())] = id; });
  ASSERT_EQ(found.size(), 2u);
  expect_loads(*store, found.at(begin), begin);
  expect_loads(*store, found.at(whole), whole);
}

TEST_F(SnapshotStoreTest, RefusesFilesOfAnotherModelOrBuild) {
  const Tokens tokens = counted(20);
  open()->put(tokens, state_of(tokens), 0);

  const auto other = open(1 << 20, /*numerics=*/8);

  std::size_t n_found = 0;
  other->for_each([&](auto, auto) { ++n_found; });
  EXPECT_EQ(n_found, 0u);
  EXPECT_EQ(files().size(), 1u) << "it is left alone";
  EXPECT_NE(other->put(tokens, state_of(tokens), 0), 0u);
  other->flush();
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(SnapshotStoreTest, FilesOfOthersGoFirstForLackOfRoom) {
  const Tokens tokens = counted(100), more = counted(100, 1000);
  open()->put(tokens, state_of(tokens), 0);
  const auto n_bytes = fs::file_size(files().front());

  const auto store = open(n_bytes + n_bytes / 2, /*numerics=*/8);
  const auto id = store->put(more, state_of(more), 0);
  store->flush();

  EXPECT_EQ(files().size(), 1u);
  expect_loads(*store, id, more);
}

TEST_F(SnapshotStoreTest, DropsDamagedFilesAndWhatHangsOnThem) {
  const Tokens begin = counted(40), whole = counted(61);
  for (const std::uintmax_t damaged_byte : {0, 3, 8, 16, 24, 60, 90, 96, 120, 250}) {
    fs::remove_all(folder_);
    {
      const auto store = open();
      store->put(whole, state_of(whole), store->put(begin, state_of(begin), 0));
    }
    auto damaged = files().front();
    for (const auto& file : files())  // the parent is the larger one
      if (fs::file_size(file) > fs::file_size(damaged)) damaged = file;
    std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(damaged_byte));
    const char byte = static_cast<char>(file.get() ^ 0x41);
    file.seekp(static_cast<std::streamoff>(damaged_byte));
    file.put(byte);
    file.close();

    const auto store = open();
    SequenceState state = empty_state();
    std::vector<SnapshotStore::Id> ids;
    store->for_each([&](auto, auto id) { ids.push_back(id); });
    for (const auto id : ids)
      EXPECT_FALSE(store->load(id, whole, state)) << "byte " << damaged_byte;

    EXPECT_EQ(store->numbers().n_snapshots, 0u) << "byte " << damaged_byte;
    EXPECT_GT(store->numbers().n_damaged + (damaged_byte == 8), 0u) << "byte " << damaged_byte;
  }
}

TEST_F(SnapshotStoreTest, DropsCutFilesAndForeignOnes) {
  const Tokens tokens = counted(30);
  open()->put(tokens, state_of(tokens), 0);
  fs::resize_file(files().front(), fs::file_size(files().front()) - 1);
  std::ofstream(folder_ / "0000000000000001.snapshot") << "short";
  std::ofstream(folder_ / "0000000000000002.snapshot.partial-1-0") << "half a file";
  std::ofstream(folder_ / "notes.txt") << "somebody's";

  const auto store = open();

  EXPECT_EQ(store->numbers().n_snapshots, 0u);
  EXPECT_TRUE(files().empty());
  EXPECT_FALSE(fs::exists(folder_ / "0000000000000002.snapshot.partial-1-0"));
  EXPECT_TRUE(fs::exists(folder_ / "notes.txt"));
}

TEST_F(SnapshotStoreTest, TheLongestUnusedGoFirst) {
  const Tokens a = counted(100), ab = counted(120), c = counted(100, 1000), d = counted(100, 2000);
  std::uint64_t n_bytes = 0;
  {
    const auto store = open();
    store->put(a, state_of(a), 0);
    store->flush();
    n_bytes = store->numbers().n_bytes;
  }
  fs::remove_all(folder_);
  const auto store = open(3 * n_bytes);
  const auto id_a = store->put(a, state_of(a), 0);
  const auto id_ab = store->put(ab, state_of(ab), id_a);
  const auto id_c = store->put(c, state_of(c), 0);
  store->flush();
  SequenceState state = empty_state();
  ASSERT_TRUE(store->load(id_ab, ab, state));

  const auto id_d = store->put(d, state_of(d), 0);
  store->flush();

  EXPECT_FALSE(store->contains(id_c)) << "used before the others";
  EXPECT_TRUE(store->contains(id_a) && store->contains(id_ab) && store->contains(id_d));
  EXPECT_LE(store->numbers().n_bytes, 3 * n_bytes);
}

TEST_F(SnapshotStoreTest, WhatOthersBuildUponStays) {
  const Tokens a = counted(100), ab = counted(120), c = counted(100, 1000), d = counted(100, 2000);
  const auto id_a = SnapshotStoreTest::open()->put(a, state_of(a), 0);
  const std::uint64_t n_bytes = fs::file_size(files().front());
  const auto store = open(3 * n_bytes);
  const auto id_ab = store->put(ab, state_of(ab), id_a);
  const auto id_c = store->put(c, state_of(c), 0);
  store->flush();

  const auto id_d = store->put(d, state_of(d), 0);
  store->flush();

  EXPECT_FALSE(store->contains(id_ab)) << "the longest unused leaf, though its parent is older";
  EXPECT_TRUE(store->contains(id_a) && store->contains(id_c) && store->contains(id_d));
  expect_loads(*store, id_a, a);
}

/// While it lives no file of this process can grow, as on a full disk.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{0, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

TEST_F(SnapshotStoreTest, AFullDiskLosesSnapshotsAndNothingElse) {
  const Tokens tokens = counted(30), more = counted(30, 500);
  const auto store = open();
  const auto kept = store->put(tokens, state_of(tokens), 0);
  store->flush();

  SnapshotStore::Id id = 0;
  {
    const FullDisk disk;
    id = store->put(more, state_of(more), 0);
    store->flush();
  }

  EXPECT_NE(id, 0u);
  EXPECT_FALSE(store->contains(id));
  EXPECT_EQ(store->numbers().n_unwritten, 1u);
  expect_loads(*store, kept, tokens);
}

TEST_F(SnapshotStoreTest, TwoServersDoNotShareAFolder) {
  const auto first = open();

  const auto second = SnapshotStore::open({.folder = folder_, .numerics = 7, .max_bytes = 1});

  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another server"), std::string::npos);
}

TEST_F(SnapshotStoreTest, AnUnusableFolderIsAnError) {
  std::ofstream(folder_.string()) << "a file";

  EXPECT_FALSE(SnapshotStore::open({.folder = folder_, .numerics = 7, .max_bytes = 1}));
}

/// kill -9 at any moment: what the next server finds is whole.
TEST_F(SnapshotStoreTest, KilledAtAnyMomentItLeavesWholeFiles) {
  RandomStream random(5);
  std::size_t n_found = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = SnapshotStore::open({.folder = folder_, .numerics = 7, .max_bytes = 1 << 24});
      if (!store) _exit(1);
      for (std::int32_t i = 0;; ++i) {
        const Tokens begin = counted(200, 1000 * round + i), whole = counted(260, 1000 * round + i);
        const auto parent = (*store)->put(begin, state_of(begin), 0);
        (*store)->put(whole, state_of(whole), parent);
      }
    }
    usleep(2000 + random.below(10000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);

    const auto store = open(1 << 24);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->numbers().n_damaged, 0u);
    store->for_each([&](auto tokens, auto id) {
      ++n_found;
      if (n_found % 16 == 0) expect_loads(*store, id, Tokens(tokens.begin(), tokens.end()));
    });
    EXPECT_EQ(store->numbers().n_damaged, 0u);
  }
  EXPECT_GT(n_found, 0u);
}

TEST_F(SnapshotStoreTest, ACacheFindsOnDiskWhatItGaveUpInMemory) {
  const auto store = open();
  const Tokens a = counted(40), b = counted(40, 1000);
  const std::size_t tail = empty_state().tail_bytes();
  PrefixCache cache({.max_bytes = tail, .max_tokens = 1 << 20}, {},
                    {.store = store.get(), .new_sequence = empty_state});
  cache.insert(a, state_of(a), SnapshotKind::turn);
  cache.insert(b, state_of(b), SnapshotKind::turn);
  Tokens longer = a;
  longer.push_back(5);

  const PrefixMatch match = cache.find(longer, longer.size() - 1);

  EXPECT_EQ(cache.n_evicted(), 2u) << "each made room for the next";
  EXPECT_TRUE(match.from_disk);
  EXPECT_FALSE(match.was_evicted);
  ASSERT_EQ(match.n_restored(), a.size());
  EXPECT_EQ(image(*match.state), image(state_of(a)));
}

TEST_F(SnapshotStoreTest, ANewCacheBeginsWithWhatIsOnDisk) {
  const Tokens a = counted(40), ab = counted(60);
  {
    const auto store = open();
    PrefixCache cache({.max_bytes = 1 << 20, .max_tokens = 1 << 20}, {},
                      {.store = store.get(), .new_sequence = empty_state});
    cache.insert(a, state_of(a), SnapshotKind::boundary);
    cache.insert(ab, state_of(ab), SnapshotKind::turn);
  }
  const auto store = open();
  PrefixCache cache({.max_bytes = 1 << 20, .max_tokens = 1 << 20}, {},
                    {.store = store.get(), .new_sequence = empty_state});
  Tokens edited = ab;
  edited[50] = 999;

  const PrefixMatch whole = cache.find(ab, ab.size());
  const PrefixMatch part = cache.find(edited, edited.size());

  EXPECT_EQ(whole.n_restored(), ab.size());
  EXPECT_EQ(part.n_restored(), a.size());
  EXPECT_EQ(part.n_known, 50u);
  EXPECT_EQ(image(*whole.state), image(state_of(ab)));
}

// Reading costs the engine's thread more than computing a few tokens.
TEST_F(SnapshotStoreTest, ASnapshotInMemoryIsPreferredToALittleLongerOneOnDisk) {
  const auto store = open(1 << 24);
  const Tokens a = counted(40);
  const std::size_t tail = empty_state().tail_bytes();
  for (const std::size_t n_more : {255u, 256u}) {
    PrefixCache cache({.max_bytes = tail, .max_tokens = 1 << 20}, {},
                      {.store = store.get(), .new_sequence = empty_state});
    const Tokens longer = counted(a.size() + n_more);
    cache.insert(longer, state_of(longer), SnapshotKind::boundary);  // goes first
    cache.insert(a, state_of(a), SnapshotKind::turn);
    ASSERT_EQ(cache.find(a, a.size()).n_restored(), a.size());  // that one is in memory now

    const PrefixMatch match = cache.find(longer, longer.size());

    EXPECT_EQ(match.from_disk, n_more == 256) << n_more;
    EXPECT_EQ(match.n_restored(), match.from_disk ? longer.size() : a.size()) << n_more;
    EXPECT_EQ(match.was_evicted, !match.from_disk) << n_more;
    EXPECT_EQ(image(*match.state), image(state_of(match.from_disk ? longer : a)));
  }
}

/// The word of two tokens from `i` on, as the hash reads it.
std::uint64_t word_at(const Tokens& tokens, std::size_t i) {
  std::uint64_t word = 0;
  std::memcpy(&word, &tokens[i], sizeof word);
  return word;
}

/// One step of snapshot_id()'s checksum. It is no secret, and can be turned round.
std::uint64_t mixed(std::uint64_t lane, std::uint64_t word) {
  const std::uint64_t h = (lane ^ word) * 0xC2B2AE3D27D4EB4F;
  return h ^ (h >> 31);
}

/// Another text with the id of `tokens`: its first words differ, and the next one of the same lane
/// makes up for it.
Tokens collision_of(const Tokens& tokens, std::uint64_t numerics) {
  Tokens other = tokens;
  other[0] += 1;
  const std::uint64_t lane = mixed(1, numerics);
  const std::uint64_t word =
      word_at(tokens, 8) ^ mixed(lane, word_at(tokens, 0)) ^ mixed(lane, word_at(other, 0));
  std::memcpy(&other[8], &word, sizeof word);
  return other;
}

TEST_F(SnapshotStoreTest, TextsWithOneIdAreNotTakenForEachOther) {
  const Tokens tokens = counted(23), other = collision_of(tokens, 7);
  ASSERT_NE(tokens, other);
  ASSERT_EQ(snapshot_id(7, tokens), snapshot_id(7, other));
  Tokens longer = other;
  longer.push_back(5);
  const auto store = open();
  const auto id = store->put(tokens, state_of(tokens), 0);

  EXPECT_EQ(store->put(other, state_of(other), 0), 0u) << "the place is taken";
  SequenceState state = empty_state();
  EXPECT_FALSE(store->load(id, other, state));
  const auto child = store->put(longer, state_of(longer), id);
  expect_loads(*store, child, longer);  // not with the rows of another text in front
  expect_loads(*store, id, tokens);
  EXPECT_EQ(store->numbers().n_damaged, 0u);
}

TEST_F(SnapshotStoreTest, ADamagedFileIsNoMatch) {
  const Tokens a = counted(40), ab = counted(60);
  {
    const auto store = open();
    store->put(ab, state_of(ab), store->put(a, state_of(a), 0));
  }
  for (const auto& file : files()) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-1, std::ios::end);  // its tail; found when it is read, not before
    stream.put('\x55');
  }
  const auto store = open();
  PrefixCache cache({.max_bytes = 1 << 20, .max_tokens = 1 << 20}, {},
                    {.store = store.get(), .new_sequence = empty_state});

  const PrefixMatch match = cache.find(ab, ab.size());

  EXPECT_EQ(match.n_restored(), 0u);
  EXPECT_FALSE(match.from_disk);
  EXPECT_EQ(store->numbers().n_damaged, 2u);
}

}  // namespace
}  // namespace hadal
