// The causal graph of an episode for people: what EventGraph reads from the told text, with short
// names, the words of each event and the way back from an event to what it rests on.
#pragma once

#include "engine/model/event_graph.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct ToldEvent {
  EventKind kind;
  /// "f1" fact, "m2" mechanism, "g1" goal, "a1" act, "o1" observation, "w1" an observation that
  /// names no act: a change from outside; "q1", "r1" question and answer. Numbered as told.
  std::string name;
  std::string text;                 ///< its body, or what set_text() gave
  int id;                           ///< of <|e0|> .. <|e95|>, -1: none
  std::vector<std::size_t> causes;  ///< earlier and later events, as its cause list names them
};

/// The names of some events.
std::vector<std::string> names_of(const std::vector<ToldEvent>& events,
                                  const std::vector<std::size_t>& indices);

/// A fact, a mechanism or a goal.
bool is_told_at_the_start(EventKind kind);

/// A line of the answer to "why?": `event` is a cause of the nearest line above with depth - 1.
struct WhyLine {
  std::size_t event;
  std::size_t depth;  ///< 0: the event asked about
  bool seen_before;   ///< its causes stand at an earlier line
};

/// Events are numbered as in EventGraph, and so as in ForwardInput::attended (0 there: text outside
/// of events). Copyable. One thread.
class ToldGraph {
 public:
  ToldGraph();

  /// Reads on. A structure token that the text holds is one, whoever wrote it.
  void tell(std::string_view text);
  /// Other words for an event than its body.
  void set_text(std::size_t event, std::string text) { texts_[event] = std::move(text); }

  std::size_t size() const noexcept { return texts_.size(); }
  std::vector<ToldEvent> events() const;
  /// [size()] the goal told last and all that its cause list leads to.
  std::vector<bool> goal_ancestors() const;
  /// The causes of `event`, depth first, back to where they end: a fact, a mechanism or a goal
  /// (told at the start), a change from outside, or an act that names nothing. An act or
  /// observation has only earlier events as causes.
  std::vector<WhyLine> why(std::size_t event) const;

 private:
  void push_token(std::string_view token, std::int32_t id);

  EventGraph graph_;
  std::vector<std::string> texts_;  ///< by event
  bool is_open_ = false;            ///< the last event has not ended
  bool in_body_ = false;
};

}  // namespace hadal
