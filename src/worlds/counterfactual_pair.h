// Two tellings of one episode that differ by one intervention (world-model.md 2.7).
#pragma once

#include "worlds/narrator.h"
#include "worlds/options.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace hadal::worlds {

struct PairEvent {
  int id;           ///< the same in both texts
  bool descendant;  ///< x is among the ancestors of this event, by the cause lists of `actual`
  bool flips;       ///< its body says something else in `altered`; true for x itself
};

/// N and N'. The same events with the same ids stand in the same order in both. Event x, a fact or
/// the observation of an act, is set from outside in `altered`: its cause list is empty and its
/// literal has the other value. Acts are the same; what they now bring about is simulated. Acts
/// that fail in `altered` carry no loss there.
struct CounterfactualPair {
  std::vector<Piece> actual;
  std::vector<Piece> altered;
  std::vector<PairEvent> events;
  std::size_t x = 0;  ///< index into `events`
};

/// The pair of this world's episode without mistakes; nothing if it has no x that (a) changes some
/// later observation and (b) changes nothing but its descendants. Deterministic in `key`.
std::optional<CounterfactualPair> counterfactual_pair(const WorldKey& key,
                                                      const WorldOptions& options);

}  // namespace hadal::worlds
