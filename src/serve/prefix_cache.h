// What earlier requests have left for later ones: snapshots of sequence states, found by the tokens
// that they have processed (serving.md section 2).
#pragma once

#include "engine/memory/sequence_state.h"
#include "serve/snapshot_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace hadal {

/// Why a snapshot was taken. Earlier ones go first when memory is short.
enum class SnapshotKind : std::uint8_t {
  interval,  ///< within a long message: an edit in it costs at most the interval
  boundary,  ///< between two messages: what many conversations begin with
  turn,      ///< end of a prompt or of an answer
};

struct PrefixMatch {
  /// Tokens with which some earlier text begins alike.
  std::size_t n_known = 0;
  /// The longest snapshot within them; restore a clone. Null: there is none.
  std::shared_ptr<const SequenceState> state = {};
  /// A longer one was there and has been given up for lack of memory (or lies on disk, and would
  /// save too little to be read).
  bool was_evicted = false;
  bool from_disk = false;  ///< it had to be read

  std::size_t n_restored() const { return state ? state->n_tokens() : 0; }
};

/// A radix tree over token ids whose nodes carry snapshots. A snapshot is valid for one model with
/// one set of numerics: a cache belongs to an engine, and to its thread.
class PrefixCache {
 public:
  struct Limits {
    std::size_t max_bytes;   ///< of all snapshots: tails, and pages that nobody else holds
    std::size_t max_tokens;  ///< of all texts remembered, those without a snapshot included
  };

  /// Where snapshots lie beside memory. Those of ends of turns and messages are written there.
  struct Disk {
    SnapshotStore* store = nullptr;  ///< null: nowhere. Must outlive the cache.
    std::function<SequenceState()> new_sequence = {};
  };

  /// @param page_bytes  bytes of the row pages in use by anybody (PagePool). Snapshots share pages
  /// with each other and with running sequences, so only the pools know; may be empty: tails alone
  /// count.
  PrefixCache(Limits limits, std::function<std::size_t()> page_bytes, Disk disk);
  PrefixCache(Limits limits, std::function<std::size_t()> page_bytes)
      : PrefixCache(limits, std::move(page_bytes), Disk()) {}
  ~PrefixCache();

  /// @param max_restored  a longer snapshot is of no use: the last token of a prompt is always
  /// computed, for its logits
  PrefixMatch find(std::span<const std::int32_t> tokens, std::size_t max_restored);

  /// Keeps a clone of `state`, which has processed exactly `tokens`. One that is there already
  /// stays, under the more lasting kind of the two. Then gives up others until the limits hold;
  /// this one too, if it does not fit alone.
  void insert(std::span<const std::int32_t> tokens, const SequenceState& state, SnapshotKind kind);

  /// Gives up snapshots until the limits hold: when other sequences have taken pages.
  void shrink();
  /// Forgets everything but what is on disk.
  void clear();

  std::size_t n_snapshots() const noexcept { return snapshots_.size(); }
  std::size_t n_evicted() const noexcept { return n_evicted_; }
  /// Of the tails of all snapshots.
  std::size_t tail_bytes() const noexcept { return tail_bytes_; }
  std::size_t n_tokens() const noexcept { return n_tokens_; }

 private:
  struct Node;
  struct GoesFirst {  ///< which of two snapshots
    bool operator()(const Node* a, const Node* b) const;
  };
  struct UsedBefore {
    bool operator()(const Node* a, const Node* b) const;
  };
  class Change;

  /// The node at which exactly `tokens` end; makes it.
  Node& node_at(std::span<const std::int32_t> tokens);
  Node& split(Node& node, std::size_t n);
  void touch(Node& node);
  void keep(Node& node, SequenceState state);
  bool is_on_disk(const Node& node) const;
  bool read_from_disk(Node& node, std::span<const std::int32_t> tokens);
  void restore(std::span<Node* const> usable, std::span<const std::int32_t> tokens,
               PrefixMatch& match);
  void write_to_disk(Node& node, std::span<const std::int32_t> tokens, const SequenceState& state);
  void drop_snapshot(Node& node);
  /// Removes nodes from `node` upwards that lead nowhere.
  void prune(Node* node);
  void forget_oldest_text();
  std::size_t bytes() const;

  Limits limits_;
  std::function<std::size_t()> page_bytes_;
  Disk disk_;
  std::unique_ptr<Node> root_;
  // What is given up first is at the front, so that this costs no walk over the tree: it happens
  // between the passes of the engine. Nodes change under a Change alone.
  std::set<Node*, GoesFirst> snapshots_;
  std::set<Node*, UsedBefore> leaves_;  ///< texts that no other continues
  std::size_t n_evicted_ = 0;
  std::size_t tail_bytes_ = 0;
  std::size_t n_tokens_ = 0;  ///< on all edges
  std::uint64_t clock_ = 0;   ///< counts uses
  double floor_ = 0.0;        ///< worth of the snapshot given up last
};

}  // namespace hadal
