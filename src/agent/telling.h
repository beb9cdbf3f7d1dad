// What passes between an agent and a causal world, as text: the prompt, then in turns an act that
// the agent writes and what the world answers. Knows no model and no tokens.
#pragma once

#include "agent/episode_start.h"
#include "worlds/narrator.h"
#include "worlds/simulator.h"

#include <cstddef>
#include <string>
#include <vector>

namespace hadal {

/// One act of the agent and what came of it.
struct EpisodeStep {
  std::string written;               ///< what the agent wrote after `<|act|><|eN|><|by|>`
  std::vector<std::string> because;  ///< the events that it named as causes, as text
  std::string call;  ///< "heat(item: red pan)"; empty when it wrote no complete call
  worlds::Outcome outcome;
  std::string answer;  ///< the observation that tells it, as text: `<|obs|>...<|/ev|>`
  // Cause list against the teacher's for the same action (Narrator::act_causes), as sets; all 0
  // when the call means no action of this world.
  std::size_t n_cited = 0;        ///< named by the agent
  std::size_t n_causes = 0;       ///< named by the teacher
  std::size_t n_cited_right = 0;  ///< in both
};

/// Does an act that `narrator` has open, in the world of `simulator`. `act` null: there was no
/// complete call, and nothing happens.
EpisodeStep do_act(const worlds::WrittenAct* act, worlds::Narrator& narrator,
                   worlds::Simulator& simulator);

/// One episode between two acts. Copyable: a copy goes its own way from the same past. The world
/// must outlive it.
class Telling {
 public:
  Telling(const worlds::World& world, const EpisodeStart& start, EpisodeKind kind,
          const worlds::WorldOptions& options);

  const worlds::World& world() const { return simulator_.world(); }
  const worlds::Simulator& simulator() const { return simulator_; }
  bool solved() const { return simulator_.goal_reached(); }
  /// Acts so far, and how many the agent may make in all.
  std::size_t n_acts() const { return n_acts_; }
  std::size_t budget() const { return budget_; }
  bool done() const { return solved() || n_acts_ >= budget_; }

  /// What has been told since the last call; at first the prompt.
  std::string take_told();
  /// Opens the next act, up to where the agent must name its causes.
  std::string open_act();
  /// Does what the agent wrote behind open_act(). The world's answer is told. A text without a
  /// complete call is one lost act.
  EpisodeStep absorb(std::string written);

  /// do(change): a variable gets this value from outside, laws follow, and it is told as an
  /// observation that names no act. The agent may then make as many acts as an episode from here
  /// allows: none when the goal holds or is beyond worlds::kMaxPlanLength acts.
  struct Change {
    worlds::Outcome outcome;
    bool goal_holds;
    bool goal_in_reach;
    int optimal;  ///< length of a shortest plan from here; 0 when there is nothing to do
  };
  Change change(worlds::Literal literal);

 private:
  worlds::Narrator narrator_;
  worlds::Simulator simulator_;
  std::string told_;
  std::size_t n_acts_ = 0;
  std::size_t budget_;
};

}  // namespace hadal
