// Every knob of the generator and of the narratives in one place. The defaults are those of the
// first built-in model (household only): easy enough for a plain transformer, because the ancestors
// of the goal are marked.
#pragma once

namespace hadal::worlds {

/// Loss weight of each kind of token in a training narrative. Forced or random parts get 0.
struct LossWeights {
  float text = 0.3f;         ///< system line, bodies of facts and mechanisms
  float observation = 1.0f;  ///< goal body, whole observations, the opener <|act|>, the end token
  float act = 4.0f;          ///< cause list, call and closer of an action
  float act_id = 0.1f;  ///< the id of an act: any unused id is right; a model that writes events
                        ///< alone needs it
};

struct WorldOptions {
  // Shape of the world.
  double distractor_ratio = 1.0;  ///< irrelevant mechanisms per relevant one, rounded up
  int min_distractors = 2;
  double branch_share = 0.35;  ///< worlds of depth >= 2 with one plan action beside the chain
  double law_share =
      0.1;  ///< worlds with a law on the way to the goal; as often one among the distractors
  double mutex_share = 0.15;  ///< worlds where an action destroys a precondition of another one
  double spare_share =
      0.1;  ///< worlds with a relevant action that is not needed, its effect holding at the start
  double second_effect_share = 0.15;  ///< plan actions with a second effect
  double second_goal_share =
      0.2;  ///< worlds of depth >= 2 with an intermediate literal as second goal
  double same_entity_share =
      0.2;  ///< new variables that are a second property of an entity already there
  double reuse_fact_share = 0.3;  ///< preconditions true at the start that reuse a fact
  double fact_counts[3] = {0.35, 0.5,
                           0.15};  ///< chance of 0, 1, 2 preconditions that are true at the start
  // The text.
  double topological_share =
      0.3;  ///< narratives with every cause before its effect; the others are shuffled
  bool facts_first = true;  ///< facts before mechanisms also in shuffled narratives
  bool ancestor_marks =
      true;  ///< <|rel|> in the header of every mechanism that is an ancestor of the goal
  // Training episodes.
  double mistake_share =
      0.2;  ///< actions that are wrong or useless: no loss on them, but on what they cause
  int max_mistakes = 3;  ///< per episode
  LossWeights weights;
};

}  // namespace hadal::worlds
