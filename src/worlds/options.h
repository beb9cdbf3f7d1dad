// Every knob of the generator and of the narratives in one place. The defaults are easy worlds:
// one goal, whose ancestors are marked, and every cause before its effect. The worlds of the
// built-in model are those of agent/builtin_worlds.h. Shares are probabilities, 0..1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hadal::worlds {

/// Loss weight of each kind of token in a training narrative. Forced or random parts get 0.
struct LossWeights {
  float text = 0.3f;         ///< system line, bodies of facts and mechanisms
  float observation = 1.0f;  ///< goal body, whole observations, the opener <|act|>, the end token
  float act = 4.0f;          ///< cause list, call and closer of an action
  float act_id = 0.1f;       ///< the id of an act (any unused one is right)
  float decision = 1.0f;     ///< times `act`: the id of the mechanism that an action carries out,
                             ///< which in text with calls is one of a dozen tokens
};

/// How the bodies of events are written. Structure and headers are the same in both.
enum class TextForm : std::uint8_t {
  full,     ///< sentences in several phrasings, calls in DSML
  compact,  ///< bare words with single spaces, one phrasing, calls as "light smooth beacon": for
            ///< ablations with a tokenizer that has one token per word (compact_words)
};

struct WorldOptions {
  // The plan.
  double branch_share = 0.0;          ///< depth >= 2: one plan action stands beside the chain
  double law_share = 0.1;             ///< a law on the way to the goal; as often a distractor law
  double mutex_share = 0.15;          ///< an action destroys what another action needs
  double spare_share = 0.1;           ///< an ancestor of the goal whose effect holds already
  double second_effect_share = 0.15;  ///< per plan action
  double second_goal_share = 0.0;     ///< depth >= 2: something made on the way is a goal as well
  // Preconditions that hold at the start, and the names.
  double one_fact_share = 0.55;    ///< plan actions with one of them (the first has at least one)
  double two_facts_share = 0.2;    ///< plan actions with two
  double reuse_fact_share = 0.3;   ///< of them, those that another mechanism needs too
  double same_entity_share = 0.2;  ///< new variables: a second property of an entity already there
  std::size_t nouns_per_type = 0;  ///< the first so many nouns of each entity type; 0: all of them
  // Distractors.
  double distractor_ratio = 0.5;  ///< mechanisms off the way per ancestor of the goal, rounded up
  int min_distractors = 2;
  double tempting_share = 0.6;  ///< of them, those that need something that holds at the start
  /// Most actions and laws of a world, reached by distractors where the variables suffice; the
  /// ratio above is then not used. Drawn between the two, so that shallow and deep worlds have as
  /// many. 0: by the ratio.
  int min_mechanisms = 0;
  int max_mechanisms = 0;
  bool hold_out_pairs = false;  ///< held-out template pairs (world_hash.h) in test_comp alone
  // The text.
  TextForm text_form = TextForm::full;
  bool act_words = true;  ///< compact text: acts have a body, "light red lamp"; else the action
                          ///< that an act names first is its call
  double topological_share = 1.0;  ///< narratives with every cause before its effect
  bool facts_first = true;         ///< facts before mechanisms also in the shuffled ones
  bool ancestor_marks = true;      ///< <|rel|> in the header of the ancestors of the goal
  // Training episodes.
  double mistake_share = 0.2;  ///< wrong or useless actions: no loss on them, but on what follows
  int max_mistakes = 3;        ///< per episode
  double change_share = 0.0;   ///< episodes in which one fact changes from outside, and the teacher
                               ///< plans anew; no question follows such a story
  // Longer narratives (not in the chat format).
  int max_episodes = 1;  ///< 1 to this many goals after each other in one world
  double question_share =
      0.0;  ///< narratives that end in 1 to max_questions questions with answers
  int max_questions = 3;
  LossWeights weights = {};
};

}  // namespace hadal::worlds
