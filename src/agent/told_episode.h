// One episode that is told to a person step by step, with its causal graph. One can ask why, and
// change a fact from outside after any step: the agent then goes on from there.
#pragma once

#include "agent/telling.h"
#include "agent/told_graph.h"
#include "engine/model/model.h"
#include "tokenizer/tokenizer.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

/// What an agent wrote, from behind `<|act|><|eN|><|by|>` on.
struct Writing {
  std::string text;
  /// Of a model with a world model that is on: the share of its attention, when the act's first
  /// cause was chosen, that text outside of events had, then each event told so far. Else empty.
  std::vector<float> attended = {};
  std::size_t n_read = 0;  ///< tokens, as n_written
  std::size_t n_written = 0;
};

/// Who acts.
class Actor {
 public:
  virtual ~Actor() = default;
  /// @param told  what was told since this actor's last act; ends where the act begins
  virtual Result<Writing> act(const std::string& told) = 0;
  /// Another one with the same past.
  virtual std::unique_ptr<Actor> clone() const = 0;
};

struct ActorOptions {
  std::size_t max_act_tokens = 60;  ///< an act that is not closed by then counts as written
  std::size_t n_drafts = 0;         ///< as EpisodeOptions
};

/// Chooses greedily: the acts of play_episodes(). `model` and `tokenizer` must outlive it; engine
/// thread only. Errors: unsupported (a tokenizer without structure tokens).
Result<std::unique_ptr<Actor>> model_actor(Model& model, const Tokenizer& tokenizer,
                                           const ActorOptions& options);

struct ToldStep {
  EpisodeStep step;
  std::size_t act;              ///< its event in the graph
  std::size_t observation;      ///< what the world answered, also an event
  std::vector<float> attended;  ///< Writing::attended
};

/// A change from outside.
struct ToldChange {
  worlds::Literal fact;
  std::size_t after;  ///< number of steps before it
  std::size_t event;  ///< what was told of it
  Telling::Change change;
};

class ToldEpisode {
 public:
  /// The world must outlive it.
  ToldEpisode(const worlds::World& world, const worlds::WorldOptions& options,
              std::unique_ptr<Actor> actor);

  const worlds::World& world() const { return now_.telling.world(); }
  worlds::State state() const { return now_.telling.simulator().state(); }
  const ToldGraph& graph() const { return now_.graph; }
  const std::vector<ToldStep>& steps() const { return now_.steps; }
  const std::vector<ToldChange>& changes() const { return now_.changes; }
  bool solved() const { return now_.telling.solved(); }
  bool done() const { return now_.telling.done(); }
  std::size_t budget() const { return now_.telling.budget(); }
  std::size_t n_read() const { return now_.n_read; }
  std::size_t n_written() const { return now_.n_written; }

  /// The agent acts once. Only while not done(). Errors: of the actor; the episode is then as
  /// before.
  Result<void> step();

  /// Goes back to the end of step `after` (0: before the first) and sets `fact` from outside. What
  /// came after that step, other changes too, is forgotten; step() goes on from the change.
  /// Errors, with nothing changed: invalid_argument when there are fewer steps or the fact held
  /// then.
  Result<void> what_if(worlds::Literal fact, std::size_t after);

  /// The event that a person means by a step's number or an event's name ("2", "a2", "m1").
  /// Errors: invalid_argument; the message lists what there is.
  Result<std::size_t> find_event(std::string_view name) const;

 private:
  struct Moment {
    Telling telling;
    ToldGraph graph;
    std::unique_ptr<Actor> actor;
    std::string untold;  ///< what the actor has not read yet
    std::vector<ToldStep> steps;
    std::vector<ToldChange> changes;
    std::size_t n_read = 0;
    std::size_t n_written = 0;

    Moment clone() const;
    /// Lets graph and, later, the actor know what has been told.
    void take_told();
  };

  Moment now_;
  std::vector<Moment> ends_of_steps_;  ///< [n_steps + 1], before any change at that place
};

}  // namespace hadal
