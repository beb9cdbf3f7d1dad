#include "serve/prefix_cache.h"

#include "base/check.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace hadal {

struct PrefixCache::Node {
  Node* parent = nullptr;
  std::vector<std::int32_t> edge;  ///< tokens from the parent to here; empty in the root alone
  std::size_t n_tokens = 0;        ///< from the root to here
  std::map<std::int32_t, std::unique_ptr<Node>> children;  ///< by the first token of their edges

  std::shared_ptr<const SequenceState> state;
  SnapshotKind kind = SnapshotKind::interval;
  std::size_t tail_bytes = 0;
  bool was_evicted = false;
  SnapshotStore::Id on_disk = 0;  ///< 0: not there; else it may be gone meanwhile
  std::uint64_t used = 0;         ///< clock_ at the last use
  /// GreedyDual-Size (Cao and Irani 1997): what it saves per byte, above the worth of the snapshot
  /// that was given up last when this one was used last. So value and age are one number.
  double worth = 0.0;

  bool is_leaf() const { return children.empty() && parent != nullptr; }
};

namespace {

/// A snapshot on disk that saves fewer tokens than this over one in memory is not read: computing
/// them costs less than the tail, and the rows of all that lies before it.
constexpr std::size_t kMinSavedByReading = 256;

std::uintptr_t address(const void* node) {
  return reinterpret_cast<std::uintptr_t>(node);
}

std::size_t common_length(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t n = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first -
      a.begin());
}

}  // namespace

bool PrefixCache::GoesFirst::operator()(const Node* a, const Node* b) const {
  // Uses differ; while a node is being made they may not, and each must stay itself.
  return std::tuple(a->kind, a->worth, a->used, address(a)) <
         std::tuple(b->kind, b->worth, b->used, address(b));
}

bool PrefixCache::UsedBefore::operator()(const Node* a, const Node* b) const {
  return std::tuple(a->used, address(a)) < std::tuple(b->used, address(b));
}

/// While it lives a node is in no order, and may change what decides its place.
class PrefixCache::Change {
 public:
  Change(PrefixCache& cache, Node& node) : cache_(cache), node_(node) {
    if (node_.state) cache_.snapshots_.erase(&node_);
    if (node_.is_leaf()) cache_.leaves_.erase(&node_);
  }
  ~Change() {
    if (node_.state) cache_.snapshots_.insert(&node_);
    if (node_.is_leaf()) cache_.leaves_.insert(&node_);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  PrefixCache& cache_;
  Node& node_;
};

PrefixCache::PrefixCache(Limits limits, std::function<std::size_t()> page_bytes, Disk disk)
    : limits_(limits),
      page_bytes_(std::move(page_bytes)),
      disk_(std::move(disk)),
      root_(std::make_unique<Node>()) {
  if (disk_.store == nullptr) return;
  disk_.store->for_each([this](std::span<const std::int32_t> tokens, SnapshotStore::Id id) {
    node_at(tokens).on_disk = id;
  });
}

PrefixCache::~PrefixCache() = default;

PrefixMatch PrefixCache::find(std::span<const std::int32_t> tokens, std::size_t max_restored) {
  PrefixMatch match;
  std::vector<Node*> usable;
  Node* node = root_.get();
  while (true) {
    const auto rest = tokens.subspan(node->n_tokens);
    const auto child = rest.empty() ? node->children.end() : node->children.find(rest.front());
    if (child == node->children.end()) break;
    Node* next = child->second.get();
    const std::size_t n = common_length(next->edge, rest);
    match.n_known = node->n_tokens + n;
    if (n < next->edge.size()) break;
    node = next;
    {
      const Change change(*this, *node);
      node->used = ++clock_;
    }
    if (node->n_tokens > max_restored) continue;
    const bool is_usable = node->state || is_on_disk(*node);
    if (is_usable) usable.push_back(node);
    if (is_usable || node->was_evicted) match.was_evicted = !is_usable;
  }
  restore(usable, tokens, match);
  return match;
}

/// The longest of `usable` that can be had, and is worth being read if it must be.
void PrefixCache::restore(std::span<Node* const> usable, std::span<const std::int32_t> tokens,
                          PrefixMatch& match) {
  std::size_t n_in_memory = 0;
  for (const Node* node : usable)
    if (node->state) n_in_memory = node->n_tokens;
  for (auto best = usable.rbegin(); best != usable.rend() && !match.state; ++best) {
    Node& node = **best;
    if (!node.state) {
      if (n_in_memory > 0 && node.n_tokens < n_in_memory + kMinSavedByReading) {
        match.was_evicted = true;
        continue;
      }
      if (!read_from_disk(node, tokens.first(node.n_tokens))) continue;
      match.from_disk = true;
    }
    touch(node);
    match.state = node.state;
  }
  if (match.from_disk) shrink();
}

bool PrefixCache::is_on_disk(const Node& node) const {
  return disk_.store != nullptr && disk_.store->contains(node.on_disk);
}

bool PrefixCache::read_from_disk(Node& node, std::span<const std::int32_t> tokens) {
  SequenceState state = disk_.new_sequence();
  if (!disk_.store->load(node.on_disk, tokens, state)) {
    node.on_disk = 0;
    return false;
  }
  keep(node, std::move(state));
  return true;
}

void PrefixCache::write_to_disk(Node& node, std::span<const std::int32_t> tokens,
                                const SequenceState& state) {
  if (disk_.store == nullptr || is_on_disk(node)) return;
  const Node* above = node.parent;
  while (above != nullptr && !is_on_disk(*above)) above = above->parent;
  node.on_disk = disk_.store->put(tokens, state, above == nullptr ? 0 : above->on_disk);
}

void PrefixCache::keep(Node& node, SequenceState state) {
  const Change change(*this, node);
  node.tail_bytes = state.tail_bytes();
  node.state = std::make_shared<const SequenceState>(std::move(state));
  node.was_evicted = false;
  tail_bytes_ += node.tail_bytes;
}

void PrefixCache::touch(Node& node) {
  const Node* above = node.parent;
  while (above != nullptr && !above->state) above = above->parent;
  const Change change(*this, node);
  const std::size_t n_saved = node.n_tokens - (above == nullptr ? 0 : above->n_tokens);
  node.worth = floor_ + static_cast<double>(n_saved) / static_cast<double>(node.tail_bytes + 1);
  node.used = ++clock_;
}

void PrefixCache::insert(std::span<const std::int32_t> tokens, const SequenceState& state,
                         SnapshotKind kind) {
  HADAL_CHECK(state.n_tokens() == tokens.size(), "a snapshot is found by what it has processed");
  if (tokens.empty()) return;
  Node& node = node_at(tokens);
  {
    const Change change(*this, node);
    node.kind = node.state ? std::max(node.kind, kind) : kind;
  }
  if (!node.state) keep(node, state.clone());
  if (node.kind != SnapshotKind::interval) write_to_disk(node, tokens, state);
  touch(node);
  shrink();
}

PrefixCache::Node& PrefixCache::node_at(std::span<const std::int32_t> tokens) {
  Node* node = root_.get();
  while (node->n_tokens < tokens.size()) {
    const auto rest = tokens.subspan(node->n_tokens);
    std::unique_ptr<Node>& slot = node->children[rest.front()];
    if (!slot) {
      leaves_.erase(node);  // it has a child now
      slot = std::make_unique<Node>();
      const Change change(*this, *slot);
      slot->parent = node;
      slot->edge.assign(rest.begin(), rest.end());
      slot->n_tokens = tokens.size();
      slot->used = ++clock_;
      n_tokens_ += rest.size();
      return *slot;
    }
    const std::size_t n = common_length(slot->edge, rest);
    node = n < slot->edge.size() ? &split(*slot, n) : slot.get();
  }
  return *node;
}

/// Puts a node into the edge to `node`, `n` tokens behind its parent, and returns it.
PrefixCache::Node& PrefixCache::split(Node& node, std::size_t n) {
  Node* parent = node.parent;
  std::unique_ptr<Node>& slot = parent->children[node.edge.front()];
  std::unique_ptr<Node> lower = std::move(slot);
  slot = std::make_unique<Node>();
  Node& upper = *slot;
  const auto cut = lower->edge.begin() + static_cast<std::ptrdiff_t>(n);
  upper.parent = parent;
  upper.edge.assign(lower->edge.begin(), cut);
  upper.n_tokens = parent->n_tokens + n;
  upper.used = lower->used;
  lower->edge.erase(lower->edge.begin(), cut);
  lower->parent = &upper;
  const std::int32_t first = lower->edge.front();
  upper.children[first] = std::move(lower);
  return upper;
}

std::size_t PrefixCache::bytes() const {
  return tail_bytes_ + (page_bytes_ ? page_bytes_() : 0);
}

void PrefixCache::shrink() {
  while (!snapshots_.empty() && bytes() > limits_.max_bytes) {
    Node* node = *snapshots_.begin();
    floor_ = std::max(floor_, node->worth);
    node->was_evicted = true;
    drop_snapshot(*node);
    ++n_evicted_;
  }
  while (n_tokens_ > limits_.max_tokens) forget_oldest_text();
}

void PrefixCache::drop_snapshot(Node& node) {
  const Change change(*this, node);
  node.state.reset();
  tail_bytes_ -= node.tail_bytes;
  node.tail_bytes = 0;
}

void PrefixCache::forget_oldest_text() {
  Node* oldest = *leaves_.begin();
  if (oldest->state) {
    drop_snapshot(*oldest);
    ++n_evicted_;
  }
  oldest->was_evicted = false;
  oldest->on_disk = 0;  // it stays there, and is found again by the next server
  prune(oldest);
}

void PrefixCache::prune(Node* node) {
  while (node->parent != nullptr && node->children.empty() && !node->state && !node->was_evicted &&
         node->on_disk == 0) {
    Node* parent = node->parent;
    n_tokens_ -= node->edge.size();
    leaves_.erase(node);
    const std::int32_t first = node->edge.front();
    parent->children.erase(first);
    if (parent->is_leaf()) leaves_.insert(parent);
    node = parent;
  }
}

void PrefixCache::clear() {
  snapshots_.clear();
  leaves_.clear();
  root_ = std::make_unique<Node>();
  tail_bytes_ = n_tokens_ = 0;
}

}  // namespace hadal
