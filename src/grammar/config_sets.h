// The automaton at work: sets of configurations, what a byte makes of them, and a table of what has
// been computed already.
#pragma once

#include "grammar/grammar.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace hadal::grammar {

/// Index of a stack; equal stacks have equal numbers, 0 is the empty one.
using FrameId = std::uint32_t;
/// Index of a set in a ConfigSets; 0 is the empty set: the text has no continuation.
using SetId = std::uint32_t;

/// One way to read the text so far: the state that comes next, and where to go on behind its rule.
struct Config {
  StateId state;
  FrameId frame;
  auto operator<=>(const Config&) const = default;
};

/// Sorted, without duplicates; every state reads a byte or is kAccept.
using ConfigSet = std::vector<Config>;

/// More configurations at once are cut: the constraint is then narrower than the grammar, never
/// wider, and every configuration that is left can be finished.
inline constexpr std::size_t kMaxConfigs = 2048;
/// Steps without a byte behind one byte; cut in the same way.
inline constexpr std::size_t kMaxClosure = 16384;
/// Sets in the table; above kMaxKnownSets they are forgotten as soon as they are left.
inline constexpr std::size_t kMaxKnownSets = std::size_t{1} << 15;
/// Stacks, about 50 bytes each; where they run out, calls fail.
inline constexpr std::size_t kMaxFrames = std::size_t{1} << 21;

/// One thread. Sets are numbers here; copy the configurations (`configs_of`) to keep one.
class ConfigSets {
 public:
  explicit ConfigSets(std::shared_ptr<const Grammar> grammar);

  const Grammar& grammar() const { return *grammar_; }
  SetId start();
  SetId find_or_add(const ConfigSet& configs);
  const ConfigSet& configs_of(SetId set) const { return sets_[set].configs; }
  bool is_complete(SetId set) const { return sets_[set].is_complete; }

  /// What `byte` makes of `set`.
  SetId step(SetId set, std::uint8_t byte) {
    const std::int32_t known = sets_[set].next[grammar_->class_of_byte[byte]];
    return known >= 0 ? static_cast<SetId>(known) : compute_step(set, byte);
  }
  /// The set of what can be read from `state` above `frame`.
  SetId closure_of(StateId state, FrameId frame);

  struct Frame {
    StateId state;        ///< the call or the repetition
    std::uint32_t count;  ///< repetition: rounds done, at most what can still make a difference
    FrameId parent;
    bool operator==(const Frame&) const = default;
  };
  const Frame& frame(FrameId id) const { return frames_[id]; }

  /// Forgets all sets, not the frames: SetIds taken before mean nothing afterwards.
  void forget_sets();
  std::size_t n_sets() const { return sets_.size(); }
  std::size_t n_frames() const { return frames_.size(); }
  /// Drops sets that were added behind the first `n_sets` and do not belong to the table.
  void drop_temporary(std::size_t n_sets);

  /// Work done so far, in configurations looked at: for budgets.
  std::uint64_t work() const { return work_; }

 private:
  struct Set {
    ConfigSet configs;
    std::vector<std::int32_t> next;  ///< per class of bytes; -1: not yet known
    bool is_complete = false;
  };
  struct FrameHash {
    std::size_t operator()(const Frame& frame) const noexcept;
  };
  struct SetHash {
    std::size_t operator()(const ConfigSet& configs) const noexcept;
  };

  SetId compute_step(SetId set, std::uint8_t byte);
  void begin_closure();
  void push(StateId state, FrameId frame);
  void pop_frame(FrameId id);
  ConfigSet take_closure();
  FrameId find_or_add_frame(Frame frame);

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Set> sets_;
  std::unordered_map<ConfigSet, SetId, SetHash> set_ids_;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, FrameId, FrameHash> frame_ids_;
  std::uint64_t work_ = 0;

  // Scratch of the closure in progress.
  std::vector<Config> todo_;
  ConfigSet leaves_;
  struct Seen {
    Config config;
    std::uint32_t round;
  };
  std::vector<Seen> seen_;  ///< hash table, open addressing; an entry of another round is free
  std::uint32_t round_ = 0;
  std::size_t n_seen_ = 0;
};

}  // namespace hadal::grammar
