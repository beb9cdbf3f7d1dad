// The causal graph that structure tokens write into a text, and which tokens each token sees in the
// world model's attention. One automaton for engine and trainer: incremental use gives what the
// whole text gives.
//
//   event := opener id [ <|by|> id* ] <|:|> text <|/ev|>
//
// Row of token i of segment s (0, the root: everything outside of events):
//   open(s)  = {0, s} u N(s) u closure(R(s))   opener .. <|:|>
//   final(s) = open(s) u closure(P(s))         first body token .. <|/ev|>
// P: named causes; R: act -> latest goal, ans -> latest ask; N: act, ask, ans -> all act and obs so
// far, obs -> latest act. final(ask), open(ans) and final(ans) also have the descendants of what
// the ask names, with the graph at the ask's <|:|>. Token i sees token j <= i when the row of i
// holds the segment of j. Source: world-model.md 2.1, 2.2, 3.2a, 7 (malformed text), 9 (goal
// without causes).
#pragma once

#include "engine/kernels/rows.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

enum class EventKind : std::uint8_t { mech, fact, goal, act, obs, ask, ans };

/// Token ids of the structure tokens.
struct StructureTokens {
  static constexpr std::size_t kKinds = 7;
  static constexpr std::size_t kIds = 96;

  std::array<std::int32_t, kKinds> openers;  ///< by EventKind
  std::int32_t by;
  std::int32_t colon;                  ///< <|:|>
  std::int32_t close;                  ///< <|/ev|>
  std::array<std::int32_t, kIds> ids;  ///< <|e0|> .. <|e95|>

  /// All of them in one order: openers, by, colon, close, ids; the text of number `i`.
  static constexpr std::size_t kCount = kKinds + 3 + kIds;
  static std::string name(std::size_t i);
  /// From the token ids in the order of name(i).
  static StructureTokens from_list(const std::array<std::int32_t, kCount>& list);
};

enum class MaskMode : std::uint8_t {
  causal_graph,    ///< closure: all ancestors
  causal_parents,  ///< closure(X): X and the direct causes of X
  token_causal,    ///< all tokens up to the own one
  random_graph,    ///< causal_graph with the mech and fact columns permuted, row sizes kept
  none,            ///< nothing, the own token neither
};

/// "causal_graph", ..; nothing for another text.
std::string_view name_of(MaskMode mode);
std::optional<MaskMode> parse_mask_mode(std::string_view name);

/// [begin, end) of a sequence's tokens.
using TokenRange = RowRange;

/// What one token sees: `before`, sorted, disjoint, not empty, not touching; then [tail, token +
/// 1), which is empty in mode none only. Valid until the graph changes.
struct VisibleTokens {
  std::span<const TokenRange> before;
  std::size_t tail;
};

struct EventGraphOptions {
  MaskMode mode = MaskMode::causal_graph;
  std::size_t max_events = 256;  ///< nodes at one time
  std::uint64_t seed = 0;        ///< of random_graph
};

/// Malformed text never fails: an opener inside of an event ends that one; ids outside of a header,
/// a second id, <|by|> or <|:|> where none belongs are text; <|/ev|> outside of an event is text;
/// an event without id cannot be cited. Beyond max_events the oldest act and its obs lose their
/// nodes: for later rows their text is root and their ids are unknown; when there is none to drop,
/// the new opener is text.
///
/// random_graph: the mech and fact events before a row's own one are permuted among themselves; the
/// permutation is drawn from the seed and grows by one entry with each of them (Fisher-Yates,
/// inside out), so rows behind the last of them share one permutation.
///
/// Copies are independent. One thread. Memory: 4 bytes a token, at most about 8 max_events bytes a
/// row, two rows an event; for undoing 80 bytes a structure token and 12 for each change of the
/// graph.
class EventGraph {
 public:
  struct Event {
    EventKind kind;
    std::int32_t id;                     ///< 0..95, -1: none
    std::uint32_t begin;                 ///< of its tokens; the opener
    std::uint32_t end;                   ///< behind its last token so far
    std::vector<std::int32_t> causes;    ///< events, each once, as named (pending ones last)
    std::vector<std::int32_t> affected;  ///< ask: descendants of what it names, at its <|:|>
    std::int32_t act;                    ///< obs: the act before it, -1: none
    bool dropped;                        ///< root text since there were more than max_events
    bool sees_all;                       ///< act whose goal has no causes: token-causal rows
  };

  struct Counters {
    std::size_t n_dropped = 0;       ///< events that lost their node
    std::size_t n_ignored = 0;       ///< openers that got none
    std::size_t n_without_goal = 0;  ///< acts with token-causal rows (section 9)
  };

  EventGraph(const StructureTokens& tokens, const EventGraphOptions& options);

  /// Makes room for `n_tokens` in all. Until then tokens of text allocate nothing; structure tokens
  /// may: lists of causes, and ranges where events are short and many.
  void reserve(std::size_t n_tokens);

  void push(std::int32_t token);
  void push(std::span<const std::int32_t> tokens);
  /// Forgets tokens from `n_tokens` on, as if they had never been pushed; n_tokens <= n_tokens().
  void truncate(std::size_t n_tokens);

  std::size_t n_tokens() const noexcept { return row_of_.size(); }
  /// 0: root; s: event s - 1. As it was when the token was pushed.
  std::size_t segment(std::size_t token) const { return rows_[row_of_[token]].segment; }
  VisibleTokens visible(std::size_t token) const;
  /// The same as ranges that end behind `token`.
  std::vector<TokenRange> ranges(std::size_t token) const;
  /// Tokens with the same number have the same row; never falls from token to token.
  std::size_t row(std::size_t token) const { return row_of_[token]; }

  std::span<const Event> events() const noexcept { return events_; }
  const Counters& counters() const noexcept { return cursor_.counters; }
  std::size_t bytes() const noexcept;
  /// What reserve(n_tokens) takes, at most.
  static std::size_t reserved_bytes(std::size_t n_tokens, std::size_t max_events) noexcept;

 private:
  enum class Phase : std::uint8_t { root, id, header, causes, body };

  struct Row {
    std::uint32_t segment;
    std::uint32_t first_range;
    std::uint32_t n_ranges;
    std::uint32_t tail;
  };
  /// Everything small that a structure token can change.
  struct Cursor {
    Phase phase = Phase::root;
    std::int32_t goal = -1, act = -1, ask = -1;  ///< latest of the kind
    std::int32_t row = -1;  ///< of the next token; -1: the root's, not yet made
    Counters counters;
  };
  enum class EditKind : std::uint8_t { event, id, cause, pending, resolved, dropped, affected };
  struct Edit {
    EditKind kind;
    std::int32_t a, b;
  };
  /// State before a token that changed more than row_of_.
  struct Mark {
    std::size_t token;
    std::size_t n_edits, n_rows, n_ranges;
    Cursor cursor;
  };

  enum class TokenKind : std::uint8_t { text, opener, by, colon, close, id };
  struct TokenMeaning {
    TokenKind kind;
    std::int32_t value;  ///< EventKind or id
  };

  /// Elements that reserve(n_tokens) makes room for.
  struct Capacity {
    Capacity(std::size_t n_tokens, std::size_t max_events) noexcept;
    std::size_t tokens, marks, edits, rows, ranges, events, live;
  };

  TokenMeaning meaning(std::int32_t token) const;
  void apply(TokenMeaning token);
  void open(EventKind kind);
  void close();
  bool make_room();
  void drop(std::int32_t event);
  void declare(std::int32_t id);
  void name_cause(std::int32_t id);
  void add_cause(std::int32_t event, std::int32_t cause);
  void end_header();
  void undo(const Edit& edit);

  Event& event(std::int32_t i) { return events_[static_cast<std::size_t>(i)]; }
  const Event& event(std::int32_t i) const { return events_[static_cast<std::size_t>(i)]; }
  std::int32_t current() const { return static_cast<std::int32_t>(events_.size()) - 1; }
  bool has_causes(std::int32_t event) const;
  bool uses_graph() const;

  void see_open_row();
  void see(std::int32_t event);
  void see_closure(std::span<const std::int32_t> from);
  void see_row(std::int32_t row);
  void find_affected();
  void permute_columns();
  std::int32_t add_row(std::size_t segment, std::size_t begin);
  std::int32_t add_row_of_all(std::size_t segment);

  EventGraphOptions options_;
  std::vector<std::pair<std::int32_t, TokenMeaning>> meanings_;  ///< sorted by token

  std::vector<std::uint32_t> row_of_;  ///< of each token
  std::vector<Row> rows_;
  std::vector<TokenRange> ranges_;
  std::vector<Event> events_;
  std::vector<std::int32_t> live_;                          ///< events with a node, ascending
  std::array<std::int32_t, StructureTokens::kIds> latest_;  ///< declaration of an id, -1: none
  std::array<std::vector<std::int32_t>, StructureTokens::kIds> pending_;  ///< who names it
  Cursor cursor_;

  std::vector<Edit> edits_;
  std::vector<Mark> marks_;

  std::vector<std::uint8_t> seen_;      ///< work: of events, for the row being made
  std::vector<std::int32_t> to_visit_;  ///< work
  std::vector<std::int32_t> columns_;   ///< work
};

}  // namespace hadal
