// Puts a Grammar together from back to front: every function takes the state that follows and
// returns the state that comes first.
#pragma once

#include "base/result.h"
#include "grammar/grammar.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::grammar {

using RuleId = std::uint32_t;

/// One thread. When a limit is passed the functions return states that mean nothing, `full()` says
/// so, and `finish` gives the error: loops over untrusted input should look at `full()`.
class GrammarBuilder {
 public:
  GrammarBuilder();

  StateId read(std::vector<Edge> edges);
  /// The edges of `state`, which reads, and one more.
  StateId read_with(StateId state, Edge edge);
  StateId byte_range(std::uint8_t low, std::uint8_t high, StateId next);
  StateId literal(std::string_view bytes, StateId next);
  /// A special token by its text (grammar.h).
  StateId special_token(std::string_view text, StateId next);
  /// Any of `targets`; none: a state that nothing gets past.
  StateId split(std::vector<StateId> targets);
  /// The part that starts at `body` and ends in kReturn, min to max times.
  StateId repeat(StateId body, std::uint32_t min, std::uint32_t max, StateId next);
  StateId call(RuleId rule, StateId next);

  /// A state to be decided later, for loops: then `decide` it once.
  StateId undecided();
  void decide(StateId undecided, std::vector<StateId> targets);

  /// `name` is for messages.
  RuleId add_rule(std::string name);
  /// `start`: a part that ends in kReturn.
  void define_rule(RuleId rule, StateId start);

  void set_string_char(StateId state) { grammar_.string_char = state; }
  StateId string_char() const { return grammar_.string_char; }

  bool full() const { return full_; }
  std::size_t n_states() const { return grammar_.states.size(); }

  /// The grammar of `root`, without parts from which no end can be reached. `subject` begins the
  /// messages. Errors: unsupported (too large, left recursion, nested too deep before the first
  /// byte, a bounded repetition of something empty), invalid_argument (nothing can match).
  Result<Grammar> finish(RuleId root, std::string_view subject) &&;

 private:
  StateId add(State state);

  Grammar grammar_;
  std::vector<std::string> rule_names_;
  std::vector<StateId> rule_starts_;
  bool full_ = false;
};

}  // namespace hadal::grammar
