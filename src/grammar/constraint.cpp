#include "grammar/constraint.h"

#include <algorithm>
#include <utility>

namespace hadal::grammar {

Constraint::Constraint(std::shared_ptr<const Grammar> grammar,
                       std::shared_ptr<const TokenVocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)), sets_(std::move(grammar)) {
  path_.resize(std::max(vocabulary_->trie().max_depth(), vocabulary_->behind_quote().max_depth()) +
               1);
}

ConfigSet Constraint::start() {
  return sets_.configs_of(sets_.start());
}

SetId Constraint::find_or_add(const ConfigSet& configs) {
  if (sets_.n_sets() > kMaxKnownSets / 2 || masks_.size() >= kMaxKnownMasks) {
    sets_.forget_sets();
    masks_.clear();
  }
  return sets_.find_or_add(configs);
}

ConfigSet Constraint::advance(const ConfigSet& configs, std::string_view bytes) {
  SetId set = find_or_add(configs);
  for (const char byte : bytes) {
    set = sets_.step(set, static_cast<std::uint8_t>(byte));
    if (set == 0) break;
    if (sets_.n_sets() > kMaxKnownSets) {  // a long text: forget the sets behind us
      const ConfigSet here = sets_.configs_of(set);
      set = find_or_add(here);
    }
  }
  return sets_.configs_of(set);
}

const TokenMask& Constraint::mask(const ConfigSet& configs) {
  const SetId set = find_or_add(configs);
  const auto known = masks_.find(set);
  if (known != masks_.end()) return known->second;
  ++n_computed_masks_;
  return masks_.emplace(set, compute_mask(set)).first->second;
}

TokenMask Constraint::compute_mask(SetId set) {
  TokenMask mask(vocabulary_->vocab_size());
  if (sets_.is_complete(set)) mask.allow_all_of(vocabulary_->end_ids());
  ConfigSet others;
  const ConfigSet configs = sets_.configs_of(set);
  for (const Config& config : configs) {
    if (config.state == sets_.grammar().string_char && config.state != kAccept) {
      allow_string_tokens(config, mask);
    } else {
      others.push_back(config);
    }
  }
  const SetId from = sets_.find_or_add(others);
  const TokenTrie& trie = vocabulary_->trie();
  walk(from, trie, sets_.work() + kMaxMaskWork, [&](const TokenTrie::Node& node) {
    for (const std::uint32_t id : trie.values_of(node)) mask.allow(id);
  });
  return mask;
}

// Between two characters of a JSON string most of the vocabulary is possible, whatever surrounds
// the string: those tokens are sorted beforehand. Only what stands behind a closing quote depends
// on the surroundings and is tried here.
void Constraint::allow_string_tokens(const Config& config, TokenMask& mask) {
  const ConfigSets::Frame frame = sets_.frame(config.frame);
  const State& repetition = sets_.grammar().states[frame.state];
  const Bounds bounds = sets_.grammar().bounds[repetition.count];
  const std::uint32_t most = bounds.max == kUnbounded ? kUnbounded : bounds.max - frame.count;
  const std::uint32_t least = bounds.min > frame.count ? bounds.min - frame.count : 0;
  const auto is_in_bounds = [&](const TokenVocabulary::Closing& closing) {
    return closing.n_chars >= least && closing.n_chars <= most;
  };

  mask.allow_all_of(vocabulary_->inside_string(most));
  const auto closings = vocabulary_->closings();
  for (const auto& closing : closings.first(vocabulary_->n_bare_closings()))
    if (is_in_bounds(closing)) mask.allow(static_cast<std::uint32_t>(closing.id));
  const SetId behind = sets_.step(sets_.closure_of(repetition.next, frame.parent), '"');
  const TokenTrie& suffixes = vocabulary_->behind_quote();
  walk(behind, suffixes, sets_.work() + kMaxMaskWork, [&](const TokenTrie::Node& node) {
    for (const std::uint32_t i : suffixes.values_of(node))
      if (is_in_bounds(closings[i])) mask.allow(static_cast<std::uint32_t>(closings[i].id));
  });
}

template <typename Allow>
void Constraint::walk(SetId from, const TokenTrie& trie, std::uint64_t work_limit, Allow&& allow) {
  if (from == 0) return;
  path_[0] = from;
  const auto nodes = trie.nodes();
  for (std::size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const bool is_over_budget = sets_.work() > work_limit;
    if (is_over_budget && node.depth > 1) {
      i = node.skip;
      continue;
    }
    const SetId above = path_[node.depth - 1u];
    sets_.drop_temporary(std::size_t{above} + 1);
    const SetId set = sets_.step(above, node.byte);
    if (set == 0) {
      i = node.skip;
      continue;
    }
    path_[node.depth] = set;
    if (node.n_values > 0) allow(node);
    ++i;
  }
}

}  // namespace hadal::grammar
