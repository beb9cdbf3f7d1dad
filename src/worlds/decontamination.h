// What test narratives share with training narratives as text (world-model.md 3.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace hadal::worlds {

inline constexpr std::size_t kNgramWords = 13;

/// Hashes of all runs of 13 words of a narrative that span two events or more. Structure tokens,
/// and with them the ids, are left out; names stay. The text before the first event is an event of
/// its own. Words are what white space separates.
std::vector<std::uint64_t> spanning_ngrams(std::string_view narrative);

/// The n-grams of a training set.
class NgramIndex {
 public:
  void add(std::string_view narrative);
  /// Has this narrative an n-gram in common with one that was added?
  bool overlaps(std::string_view narrative) const;
  std::size_t size() const { return ngrams_.size(); }

 private:
  std::unordered_set<std::uint64_t> ngrams_;
};

}  // namespace hadal::worlds
