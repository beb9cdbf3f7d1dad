#include "grammar/config_sets.h"

#include "base/random.h"

#include <algorithm>
#include <utility>

namespace hadal::grammar {
namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  return splitmix64_mix(hash ^ (value + 0x9E3779B97F4A7C15ull));
}

std::uint64_t word_of(Config config) {
  return (std::uint64_t{config.state} << 32) | config.frame;
}

constexpr std::size_t kSeenSlots = 4 * kMaxClosure;  // a power of two; at most a quarter is used

}  // namespace

std::size_t ConfigSets::FrameHash::operator()(const Frame& frame) const noexcept {
  return mix(mix(frame.state, frame.count), frame.parent);
}

std::size_t ConfigSets::SetHash::operator()(const ConfigSet& configs) const noexcept {
  std::uint64_t hash = configs.size();
  for (const Config& config : configs) hash = mix(hash, word_of(config));
  return hash;
}

ConfigSets::ConfigSets(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  frames_.push_back({kAccept, 0, 0});
  seen_.resize(kSeenSlots, {{0, 0}, 0});
  forget_sets();
}

void ConfigSets::forget_sets() {
  sets_.clear();
  set_ids_.clear();
  find_or_add({});
}

SetId ConfigSets::start() {
  return closure_of(grammar_->start, 0);
}

SetId ConfigSets::find_or_add(const ConfigSet& configs) {
  const auto known = set_ids_.find(configs);
  if (known != set_ids_.end()) return known->second;
  const auto id = static_cast<SetId>(sets_.size());
  sets_.push_back({configs, std::vector<std::int32_t>(grammar_->n_classes, -1),
                   !configs.empty() && configs.front().state == kAccept});
  if (id < kMaxKnownSets) set_ids_.emplace(configs, id);
  return id;
}

void ConfigSets::drop_temporary(std::size_t n_sets) {
  const std::size_t kept = std::max(n_sets, kMaxKnownSets);
  if (sets_.size() > kept) sets_.resize(kept);
}

SetId ConfigSets::compute_step(SetId set, std::uint8_t byte) {
  begin_closure();
  const ConfigSet& configs = sets_[set].configs;
  work_ += configs.size();
  for (const Config& config : configs) {
    for (const Edge& edge : grammar_->edges_of(grammar_->states[config.state])) {
      if (byte >= edge.low && byte <= edge.high) push(edge.target, config.frame);
    }
  }
  const SetId next = find_or_add(take_closure());
  if (next < kMaxKnownSets)
    sets_[set].next[grammar_->class_of_byte[byte]] = static_cast<std::int32_t>(next);
  return next;
}

SetId ConfigSets::closure_of(StateId state, FrameId frame) {
  begin_closure();
  push(state, frame);
  return find_or_add(take_closure());
}

void ConfigSets::begin_closure() {
  todo_.clear();
  leaves_.clear();
  n_seen_ = 0;
  if (++round_ == 0) {
    std::fill(seen_.begin(), seen_.end(), Seen{{0, 0}, 0});
    round_ = 1;
  }
}

void ConfigSets::push(StateId state, FrameId frame) {
  if (n_seen_ >= kMaxClosure) return;
  const Config config{state, frame};
  std::size_t slot = splitmix64_mix(word_of(config)) % kSeenSlots;
  while (seen_[slot].round == round_) {
    if (seen_[slot].config == config) return;
    slot = (slot + 1) % kSeenSlots;
  }
  seen_[slot] = {config, round_};
  ++n_seen_;
  todo_.push_back(config);
}

// Depth first, so that a cut closure has come to a byte at least once (kMaxLeftDepth).
ConfigSet ConfigSets::take_closure() {
  while (!todo_.empty() && leaves_.size() < kMaxConfigs) {
    const Config config = todo_.back();
    todo_.pop_back();
    ++work_;
    const State& state = grammar_->states[config.state];
    switch (state.kind) {
      case StateKind::read:
        if (state.count > 0) leaves_.push_back(config);
        break;
      case StateKind::split: {
        const auto targets = grammar_->targets_of(state);
        for (std::size_t i = targets.size(); i-- > 0;) push(targets[i], config.frame);
        break;
      }
      case StateKind::call:
        if (state.is_tail_call) {
          push(state.first, config.frame);
        } else if (frames_.size() < kMaxFrames) {
          push(state.first, find_or_add_frame({config.state, 0, config.frame}));
        }
        break;
      case StateKind::repeat: {
        if (grammar_->bounds[state.count].min == 0) push(state.next, config.frame);
        if (frames_.size() < kMaxFrames)
          push(state.first, find_or_add_frame({config.state, 0, config.frame}));
        break;
      }
      case StateKind::finish:
        if (config.state == kAccept) {
          leaves_.push_back(config);
        } else {
          pop_frame(config.frame);
        }
        break;
    }
  }
  std::sort(leaves_.begin(), leaves_.end());
  return leaves_;
}

void ConfigSets::pop_frame(FrameId id) {
  const Frame frame = frames_[id];
  const State& state = grammar_->states[frame.state];
  if (state.kind == StateKind::call) {
    push(state.next, frame.parent);
    return;
  }
  const Bounds bounds = grammar_->bounds[state.count];
  const std::uint32_t limit = bounds.max == kUnbounded ? bounds.min : bounds.max;
  const std::uint32_t count = std::min(frame.count + 1, limit);
  if (count >= bounds.min) push(state.next, frame.parent);
  if ((count < bounds.max) && frames_.size() < kMaxFrames)
    push(state.first, find_or_add_frame({frame.state, count, frame.parent}));
}

FrameId ConfigSets::find_or_add_frame(Frame frame) {
  const auto [place, is_new] = frame_ids_.try_emplace(frame, static_cast<FrameId>(frames_.size()));
  if (is_new) frames_.push_back(frame);
  return place->second;
}

}  // namespace hadal::grammar
