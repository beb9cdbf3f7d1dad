// A compiled grammar: a push-down automaton over bytes, as immutable tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hadal::grammar {

using StateId = std::uint32_t;

/// States 0 and 1 exist in every grammar.
inline constexpr StateId kAccept = 0;  ///< the whole text is complete; reads nothing
inline constexpr StateId kReturn = 1;  ///< end of a rule or of a repeated part: pops a frame

/// max of a repetition without an upper bound.
inline constexpr std::uint32_t kUnbounded = 0xffffffff;

// Limits. A grammar beyond them is refused when it is compiled.
inline constexpr std::size_t kMaxStates = std::size_t{1} << 21;  ///< 16 bytes each
inline constexpr std::size_t kMaxRules = std::size_t{1} << 16;
/// Steps from a state to the first byte without reading one (alternatives, nested rules).
inline constexpr std::size_t kMaxLeftDepth = 4096;

/// Bytes no text in UTF-8 holds. A special token stands in the grammar, and in the trie of the
/// vocabulary, as kSpecialBegin, its text, kSpecialEnd: so ordinary text can never become one.
inline constexpr std::uint8_t kSpecialBegin = 0xff;
inline constexpr std::uint8_t kSpecialEnd = 0xfe;

/// What a state does. Only `read` uses up a byte.
enum class StateKind : std::uint8_t {
  read,    ///< edges [first, first + count): on a byte in [low, high] to `target`
  split,   ///< targets [first, first + count): all of them at once
  call,    ///< rule that starts at `first`, then `next`
  repeat,  ///< the part that starts at `first`, bounds[count] times, then `next`
  finish,  ///< kReturn and kAccept
};

struct State {
  StateKind kind = StateKind::read;
  bool is_tail_call = false;  ///< call: `next` only returns, so nothing need be remembered
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  StateId next = 0;
};

struct Edge {
  std::uint8_t low, high;  ///< inclusive
  StateId target;
};

struct Bounds {
  std::uint32_t min, max;  ///< times; max may be kUnbounded
};

/// Made by GrammarBuilder, which promises: every state can reach kAccept; no left recursion; the
/// repeated part of a repetition with an upper bound is never empty. Immutable; threads may share
/// it.
struct Grammar {
  std::vector<State> states;
  std::vector<Edge> edges;
  std::vector<StateId> targets;
  std::vector<Bounds> bounds;
  StateId start = kAccept;
  /// Bytes that no edge tells apart have one class: transition tables are that much smaller.
  std::array<std::uint8_t, 256> class_of_byte{};
  std::size_t n_classes = 1;
  /// The state before one character of a JSON string (json_text.h), for which the vocabulary has
  /// masks ready; kAccept when the grammar has none.
  StateId string_char = kAccept;

  std::span<const Edge> edges_of(const State& state) const {
    return std::span(edges).subspan(state.first, state.count);
  }
  std::span<const StateId> targets_of(const State& state) const {
    return std::span(targets).subspan(state.first, state.count);
  }
};

}  // namespace hadal::grammar
