// Where one generated text stands in a grammar.
#pragma once

#include "grammar/constraint.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace hadal::grammar {

/// Steps that `rollback` can undo.
inline constexpr std::size_t kMaxRollback = 64;

/// A place in the text, cheap to keep: usually one to three configurations of 8 bytes. Belongs to
/// the Constraint of the matcher it came from.
struct MatcherState {
  ConfigSet configs;
  bool is_ended = false;  ///< an end id was accepted
  bool operator==(const MatcherState&) const = default;
};

/// Copy it to fork (at most kMaxRollback pointers). Shares the thread of its Constraint.
///
/// A text under a grammar always has a continuation, except where memory for stacks ran out
/// (kMaxFrames) or the vocabulary lacks the bytes: then the mask is empty, and the text should be
/// ended as if it had reached its length limit.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<Constraint> constraint);

  /// Goes on by a token, if that is allowed; else false, and nothing changed.
  bool accept_token(std::int32_t id);
  /// Goes on by bytes of ordinary text (never special tokens), in one step for `rollback`.
  bool accept_bytes(std::string_view bytes);
  /// The text so far is whole: an end id may come.
  bool is_complete() const;
  /// An end id has come.
  bool is_ended() const { return state_->is_ended; }
  /// Tokens that accept_token accepts. Valid until the next use of the Constraint.
  /// A token may be missing where kMaxMaskWork or kMaxCountedChars say so.
  const TokenMask& mask();

  /// Undoes the last `n_steps` accepted steps. False, and nothing changed, when fewer are known.
  bool rollback(std::size_t n_steps);
  const MatcherState& state() const { return *state_; }
  /// Goes to a state taken from a matcher of the same Constraint; there is nothing to roll back
  /// then.
  void restore(MatcherState state);

 private:
  bool enter(MatcherState next);

  std::shared_ptr<Constraint> constraint_;
  std::shared_ptr<const MatcherState> state_;  ///< forks share states; the last one frees them
  std::vector<std::shared_ptr<const MatcherState>> history_;  ///< the oldest first
};

}  // namespace hadal::grammar
