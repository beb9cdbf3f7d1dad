#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace hadal {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

class PieceMerger {
 public:
  PieceMerger(const MergeTable& merges, BpeScratch& scratch)
      : merges_(merges), symbols_(scratch.symbols), queue_(scratch.queue) {}

  void load(std::string_view piece, std::span<const std::int32_t, 256> byte_ids) {
    const auto n = static_cast<std::uint32_t>(piece.size());
    symbols_.clear();
    queue_.clear();
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::int32_t id = byte_ids[static_cast<std::uint8_t>(piece[i])];
      symbols_.push_back({id, i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1, kNone});
    }
    for (std::uint32_t i = 0; i + 1 < n; ++i) {
      symbols_[i].rank = rank_of_pair_at(i);
      if (symbols_[i].rank != kNone) queue_.push_back(entry(i));
    }
    std::make_heap(queue_.begin(), queue_.end(), std::greater<>());
  }

  void merge_all() {
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
      const std::uint64_t top = queue_.back();
      queue_.pop_back();
      const auto at = static_cast<std::uint32_t>(top);
      // The pair may have changed since the entry was made; its present rank has its own entry.
      if (symbols_[at].rank == static_cast<std::uint32_t>(top >> 32)) merge_at(at);
    }
  }

  void append_to(std::vector<std::int32_t>& ids) const {
    for (std::uint32_t i = 0; i != kNone; i = symbols_[i].next) ids.push_back(symbols_[i].id);
  }

 private:
  const MergeTable::Entry* pair_at(std::uint32_t at) const {
    const auto& symbol = symbols_[at];
    if (symbol.next == kNone) return nullptr;
    return merges_.find(symbol.id, symbols_[symbol.next].id);
  }

  std::uint32_t rank_of_pair_at(std::uint32_t at) const {
    const MergeTable::Entry* pair = pair_at(at);
    return pair == nullptr ? kNone : pair->rank;
  }

  std::uint64_t entry(std::uint32_t at) const {
    return (static_cast<std::uint64_t>(symbols_[at].rank) << 32) | at;
  }

  void update(std::uint32_t at) {
    symbols_[at].rank = rank_of_pair_at(at);
    if (symbols_[at].rank == kNone) return;
    queue_.push_back(entry(at));
    std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
  }

  void merge_at(std::uint32_t at) {
    auto& left = symbols_[at];
    auto& right = symbols_[left.next];
    left.id = pair_at(at)->merged;
    left.next = right.next;
    right.rank = kNone;
    if (left.next != kNone) symbols_[left.next].previous = at;
    update(at);
    if (left.previous != kNone) update(left.previous);
  }

  const MergeTable& merges_;
  std::vector<BpeScratch::Symbol>& symbols_;
  std::vector<std::uint64_t>& queue_;
};

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, std::size_t vocab_size) {
  row_begin_.assign(vocab_size + 1, 0);
  for (const Merge& merge : merges) ++row_begin_[static_cast<std::size_t>(merge.left) + 1];
  for (std::size_t i = 0; i < vocab_size; ++i) row_begin_[i + 1] += row_begin_[i];

  entries_.resize(merges.size());
  std::vector<std::uint32_t> fill(row_begin_.begin(), row_begin_.end() - 1);
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    entries_[fill[static_cast<std::size_t>(merge.left)]++] = {merge.right, rank, merge.merged};
  }
  for (std::size_t i = 0; i < vocab_size; ++i) {
    std::sort(entries_.begin() + row_begin_[i], entries_.begin() + row_begin_[i + 1],
              [](const Entry& a, const Entry& b) { return a.right < b.right; });
  }
}

const MergeTable::Entry* MergeTable::find(std::int32_t left, std::int32_t right) const noexcept {
  const Entry* begin = entries_.data() + row_begin_[static_cast<std::size_t>(left)];
  const Entry* end = entries_.data() + row_begin_[static_cast<std::size_t>(left) + 1];
  const Entry* found = std::lower_bound(
      begin, end, right, [](const Entry& entry, std::int32_t id) { return entry.right < id; });
  return found != end && found->right == right ? found : nullptr;
}

void append_bpe(std::string_view piece, std::span<const std::int32_t, 256> byte_ids,
                const MergeTable& merges, BpeScratch& scratch, std::vector<std::int32_t>& ids) {
  if (piece.empty()) return;
  PieceMerger merger(merges, scratch);
  merger.load(piece, byte_ids);
  merger.merge_all();
  merger.append_to(ids);
}

}  // namespace hadal
