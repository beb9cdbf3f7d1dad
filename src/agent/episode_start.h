// Where an episode begins: at the world's start, in the middle after a change from outside, or with
// a prompt that lacks the mechanisms (world-model.md 4.1, 3.3 (d)).
#pragma once

#include "worlds/narrator.h"
#include "worlds/simulator.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

enum class EpisodeKind : std::uint8_t {
  plain,
  /// The harness plays the first half (rounded down) of a shortest plan itself; then one variable
  /// changes from outside (do()), which the text tells as an observation without causes; then the
  /// model goes on. So every model meets the same change in the same state.
  perturbed,
  /// The prompt without its mechanisms: a model that solves more than a player who never reads
  /// them (baselines.h) has seen these worlds before.
  hidden_mechanisms,
};

/// "plain", "perturbed", "hidden".
std::string_view name_of(EpisodeKind kind);

/// The state in which the agent takes over.
struct EpisodeStart {
  worlds::Simulator simulator;
  std::vector<int> played;                ///< actions taken by the harness, in order
  std::optional<worlds::Literal> change;  ///< what changes from outside after them
  int optimal;                            ///< length of a shortest plan from here, >= 1

  int budget() const;  ///< steps that the agent may take: worlds::step_budget(optimal)
};

/// Nothing for a world without a fitting change: one that laws do not undo at once, that leaves the
/// goal unmet and within reach, and that changes which actions are best. Among those one is drawn
/// by the world's key. Only perturbed episodes can be missing. Deterministic, any thread.
std::optional<EpisodeStart> episode_start(const worlds::World& world, EpisodeKind kind);

/// The prompt of such an episode, up to where the agent acts (before act_prefix()). Takes the place
/// of narrator.prompt().
std::string episode_prompt(worlds::Narrator& narrator, const EpisodeStart& start, EpisodeKind kind,
                           const worlds::World& world);

/// `prompt` without its `<|mech|> .. <|/ev|>` events. Cause lists keep their ids, which say
/// nothing.
std::string without_mechanisms(std::string_view prompt);

}  // namespace hadal
