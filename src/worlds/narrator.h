// Writes a world and an episode in it as events (world-model.md 2.1 and 3.2), the same for training
// and for play:
//
//   <bos>household; tools: heat, light.
//   <|fact|><|e3|><|:|> the old stove is lit.<|/ev|>
//   <|mech|><|e7|><|by|><|e3|><|rel|><|:|> heat red pan: needs old stove lit; makes red pan
//   hot.<|/ev|>
//   <|goal|><|e5|><|by|><|e7|><|:|> make red pan hot.<|/ev|>
//   <|act|><|e41|><|by|><|e7|><|e3|><|:|><｜DSML｜invoke name="heat">...</｜DSML｜invoke><|/ev|>
//   <|obs|><|e42|><|by|><|e41|><|:|> the red pan is hot.<|/ev|><eos>
//
// (without the line breaks shown between events). Ids are random and say nothing. The cause list of
// a mechanism names, for each precondition, the fact that states it and every mechanism with that
// effect; <|rel|> marks the ancestors of the goal. An act names the mechanism used, then per
// precondition, in the order of the mechanism's text, the latest fact or observation that made it
// true. An observation names its act, then the laws that fired.
#pragma once

#include "base/random.h"
#include "worlds/options.h"
#include "worlds/question.h"
#include "worlds/simulator.h"
#include "worlds/world.h"
#include "worlds/written_event.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace hadal::worlds {

inline constexpr std::string_view kBosToken = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEosToken = "<｜end▁of▁sentence｜>";

/// All structure tokens: openers, header, closer, <|rel|> and the event ids. A tokenizer needs one
/// id for each.
std::vector<std::string> structure_tokens();

/// A stretch of text with one loss weight per token. Pieces are cut at special tokens, so encoding
/// piece by piece (special tokens parsed) gives the same ids as encoding the whole text. The weight
/// is that of predicting the piece's tokens.
struct Piece {
  std::string text;
  float weight;
  /// Of <|act|>: the event ids of the mechanisms with which a shortest plan can begin.
  std::vector<int> optimal_ids = {};
};

std::string text_of(const std::vector<Piece>& pieces);
void append(std::vector<Piece>& to, std::vector<Piece> more);

/// An ask event and its ans event. A model under test reads ask_pieces and prefix_pieces and writes
/// the rest, which should begin with the causes and then say `answer` (read_answer).
struct QuestionText {
  std::vector<Piece> ask_pieces;
  std::vector<Piece> prefix_pieces;  ///< `<|ans|><|eN|>`
  std::vector<Piece> answer_pieces;
  std::string answer;       ///< "yes", "no", "heat red pan", "red pan hot"
  std::vector<int> causes;  ///< event ids of the path; a header without <|by|> when empty
};

/// Tells one episode. Deterministic in world.key. The world must outlive it; one thread at a time.
class Narrator {
 public:
  Narrator(const World& world, const WorldOptions& options);

  /// Everything before the first action: bos, system line, facts, mechanisms, goal. Call once,
  /// first.
  std::vector<Piece> prompt();
  /// Opens the next act up to the point where the agent must name its causes:
  /// `<|act|><|eN|><|by|>`.
  std::vector<Piece> act_prefix();
  /// Instead of act_prefix(): the agent has opened the act itself and chosen its id. One that is in
  /// use, or none, is replaced by a fresh one.
  void act_opened(std::optional<int> id);
  /// The event ids of these mechanisms.
  std::vector<int> ids_of(const std::vector<int>& mechanisms) const;
  /// What a teacher writes after act_prefix(): cause list, call, closer. @param is_mistake  gives
  /// it weight 0.
  std::vector<Piece> act_body(int mechanism, bool is_mistake);
  /// The event ids a teacher names for this action now: the mechanism first.
  std::vector<int> act_causes(int mechanism) const;
  /// The same as text, with the header's end: `<|e7|><|e3|><|:|>`.
  std::string act_header(int mechanism) const;
  /// The whole observation that follows the open act. Remembers which literals it made true.
  std::vector<Piece> observation(const Outcome& outcome);
  /// The observation of a change that nobody in the text has caused (Simulator::intervene): it
  /// names the laws that fired, and no act.
  std::vector<Piece> intervention(const Outcome& outcome);
  /// Reads an act that a model wrote in the form of this narrator (parse_act, parse_compact_act).
  std::optional<WrittenAct> read_act(std::string_view text) const;
  /// A question about what was told so far, and its answer. The steps of its history are the acts
  /// told, each with its observation.
  QuestionText question(const Question& question);
  /// The end token.
  std::vector<Piece> ending() const;

  /// The parts of the prompt for other renderings: facts and mechanisms as events, and the goal
  /// event.
  std::vector<Piece> world_events();
  std::vector<Piece> goal_event();
  /// A further goal, in the state reached by then.
  std::vector<Piece> goal_event(const std::vector<Literal>& goal);

  /// The body of an observation, in the text form of this narrator.
  std::string outcome_text(const Outcome& outcome) const;
  int mechanism_id(int mechanism) const {
    return mechanism_ids_[static_cast<std::size_t>(mechanism)];
  }
  /// @param fact  index into World::facts
  int fact_id(int fact) const { return fact_ids_[static_cast<std::size_t>(fact)]; }

  /// For display: what event `id` says, e.g. "heat red pan: needs ..."; empty for an id that is not
  /// in use.
  const std::string& event_text(int id) const;
  int current_act() const { return act_; }
  /// The mechanism whose event has this id, or -1.
  int mechanism_of(int id) const;

 private:
  bool is_compact() const { return options_.text_form == TextForm::compact; }
  int next_id();
  std::vector<int> ask_causes(const Question& question) const;
  std::vector<int> answer_causes(const Question& question) const;
  std::vector<Piece> observed(std::vector<int> causes, const Outcome& outcome);
  std::vector<int> presentation_order();
  std::vector<int> causes_of(const std::vector<Literal>& literals) const;
  void shuffle(std::vector<int>& items);

  const World* world_;
  WorldOptions options_;
  RandomStream random_;
  std::array<int, kEventIds> ids_;  // a random permutation
  int n_events_ = 0;
  int act_ = -1;
  int goal_ = -1;
  std::vector<int> act_ids_;
  std::vector<int> act_mechanisms_;  // of the acts observed: what they meant, or -1
  std::vector<int> fact_ids_;        // by index in World::facts
  std::vector<int> mechanism_ids_;   // by index in World::mechanisms
  std::array<std::array<int, 2>, kMaxVariables>
      maker_;  // the latest event that made [variable][value] true, or -1
  std::array<std::string, kEventIds> texts_;
};

/// The call of an action as it stands in an act: <｜DSML｜invoke name="heat">...</｜DSML｜invoke>
std::string call_text(const World& world, const Mechanism& action);

}  // namespace hadal::worlds
