// A grammar over a vocabulary: which tokens may come next. The caches live here, so requests with
// the same grammar should share one.
#pragma once

#include "grammar/config_sets.h"
#include "grammar/token_mask.h"
#include "grammar/token_vocabulary.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

namespace hadal::grammar {

/// Masks kept for sets seen before: 16 KB each at 129,280 tokens.
inline constexpr std::size_t kMaxKnownMasks = 1024;
/// Configurations looked at for one mask (ConfigSets::work); beyond it only tokens of one byte are
/// still tried, so a hostile grammar gets a narrower mask instead of a long wait.
inline constexpr std::uint64_t kMaxMaskWork = 4'000'000;

/// Used by one thread at a time, with all its matchers.
class Constraint {
 public:
  Constraint(std::shared_ptr<const Grammar> grammar,
             std::shared_ptr<const TokenVocabulary> vocabulary);

  const TokenVocabulary& vocabulary() const { return *vocabulary_; }

  ConfigSet start();
  /// What `bytes` make of `configs`; empty when the grammar does not allow them.
  ConfigSet advance(const ConfigSet& configs, std::string_view bytes);
  /// Tokens that may follow, end ids included. Valid until the next call.
  const TokenMask& mask(const ConfigSet& configs);

  /// Time to make a new one for new requests: its stacks, which only grow, take much memory.
  bool is_worn() const { return sets_.n_frames() > kMaxFrames / 8; }
  /// Masks computed, not found: for measurements.
  std::size_t n_computed_masks() const { return n_computed_masks_; }

 private:
  SetId find_or_add(const ConfigSet& configs);
  TokenMask compute_mask(SetId set);
  void allow_string_tokens(const Config& config, TokenMask& mask);
  template <typename Allow>
  void walk(SetId from, const TokenTrie& trie, std::uint64_t work_limit, Allow&& allow);

  std::shared_ptr<const TokenVocabulary> vocabulary_;
  ConfigSets sets_;
  std::unordered_map<SetId, TokenMask> masks_;
  std::vector<SetId> path_;  ///< scratch of walk: the set at each depth
  std::size_t n_computed_masks_ = 0;
};

}  // namespace hadal::grammar
