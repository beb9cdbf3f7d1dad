// Snapshots on disk (serving.md section 2): they outlive memory and the process. A file holds the
// tail of a state and the rows that it adds to the snapshot before it, so that conversations with
// the same beginning share it there as they do in memory.
#pragma once

#include "base/result.h"
#include "engine/memory/sequence_state.h"
#include "serve/snapshot_file.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace hadal {

/// Written once (AtomicFile) by a thread of its own and checksummed: after
/// kill -9 the newest may be missing, what is there is whole. Calls come from one thread (the
/// engine's) unless said otherwise.
class SnapshotStore {
 public:
  using Id = std::uint64_t;  ///< of the tokens and all that decides their state; 0: none

  struct Options {
    std::filesystem::path folder;
    std::uint64_t numerics = 0;   ///< all that changes bits: model, build, kernels, modes
    std::uint64_t max_bytes = 0;  ///< of all files in the folder; the longest unused go
    std::size_t max_unwritten = 256u << 20;  ///< bytes that wait for the disk; more is not kept
  };

  /// Makes the folder, and drops what it finds damaged or cut off from its beginning (a warning
  /// each). Files of other models and builds stay, but are the first to go for lack of room.
  /// Errors: io_error (the folder cannot be used, or another process uses it).
  static Result<std::unique_ptr<SnapshotStore>> open(Options options);
  /// Writes what waits.
  ~SnapshotStore();

  /// What is there, shorter texts first: for the index of the caller.
  void for_each(
      const std::function<void(std::span<const std::int32_t> tokens, Id id)>& visit) const;

  /// Keeps `state`, which has processed `tokens`. @param parent  a snapshot of a prefix, or 0
  /// @return its id; 0 if it is not kept (too much waits for the disk, the parent is gone, or
  /// another text has the same id: that one stays)
  Id put(std::span<const std::int32_t> tokens, const SequenceState& state, Id parent);
  bool contains(Id id) const;
  /// Brings `state`, an empty one of the model, to the snapshot of `tokens`. False: it was not
  /// there (another text may have its id by now), or was damaged (a warning; it is there no more),
  /// and the state is of no use.
  bool load(Id id, std::span<const std::int32_t> tokens, SequenceState& state);

  struct Numbers {
    std::uint64_t n_bytes = 0, max_bytes = 0;
    std::size_t n_snapshots = 0;
    std::size_t n_loaded = 0, n_damaged = 0, n_unwritten = 0 /** lost: full disk, long queue */;
  };
  Numbers numbers() const;  ///< any thread
  /// Returns when nothing waits for the disk, neither to be written nor to be removed. Any thread.
  void flush();

 private:
  struct Entry;

  explicit SnapshotStore(Options options, int lock);
  void scan();
  void write_loop();
  std::vector<std::int32_t> tokens_of(Id id) const;
  bool has_tokens(Id id, std::span<const std::int32_t> tokens) const;
  Id enqueue(SnapshotImage image);
  void forget(Id id);
  void evict();
  std::filesystem::path path_of(Id id) const;
  Result<void> load_chain(Id id, std::span<const std::int32_t> tokens, SequenceState& state);
  void remove_files(std::unique_lock<std::mutex>& lock);

  const Options options_;
  const int lock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Id, Entry> entries_;
  std::map<std::filesystem::path, std::uint64_t> foreign_;  ///< files of others, with their sizes
  std::deque<SnapshotImage> unwritten_;
  std::size_t unwritten_bytes_ = 0;
  std::vector<std::filesystem::path> unwanted_;  ///< files that the writer removes
  bool is_writing_ = false;                      ///< or removing
  bool stopping_ = false;
  std::uint64_t n_bytes_ = 0;
  std::uint64_t clock_ = 0;
  Numbers numbers_;
  std::thread writer_;
};

}  // namespace hadal
