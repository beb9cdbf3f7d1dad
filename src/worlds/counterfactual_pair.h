// Two tellings of one episode that differ by one intervention (world-model.md 2.7).
#pragma once

#include "worlds/narrator.h"
#include "worlds/options.h"

#include <cstddef>
#include <optional>
#include <string>
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

/// One question behind both tellings of a pair, told up to `<|ans|><|eN|>`: the same ask event, of
/// type effect_of_do ("if this is set so now, can that action then be done?"). For half of the keys
/// x changes the answer, from yes to no, so that who overlooks x gets one of the two wrong; for the
/// others the answer is yes twice or no twice, so that who says no whenever something was set from
/// outside gets some of those wrong.
struct PairQuestion {
  std::string actual;  ///< the whole prompts
  std::string altered;
  std::string actual_answer;  ///< "yes" or "no"
  std::string altered_answer;
};

/// Draws one x and one question of a pair of this world; nothing if it has none with the answers
/// drawn. Beside what counterfactual_pair() asks of x, its literal must have been brought about by
/// x in `actual` and be false without it. The question sets a variable that is not x's and that no
/// step changes in either telling, so that its ask event names the same causes in both.
/// Deterministic in `key`.
std::optional<PairQuestion> counterfactual_pair_question(const WorldKey& key,
                                                         const WorldOptions& options);

}  // namespace hadal::worlds
