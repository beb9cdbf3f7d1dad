// Questions about an episode that has been told: why, what if, graph.
#pragma once

#include "agent/told_episode.h"
#include "play_output.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace hadal {

/// Shows the steps to the end of the episode, or `n_steps` in all. Errors: of the actor.
Result<void> play_on(ToldEpisode& episode, const EpisodePrinter* printer,
                     std::optional<std::size_t> n_steps = {});

/// After which step a change comes that names none: the first, if there is one.
std::size_t default_moment(const ToldEpisode& episode);

/// What the prompt offers beyond this one episode.
struct PromptActions {
  /// The same episode once more, from its start, with the world model on, off or under another
  /// mask.
  std::function<Result<void>(const std::string& world_model)> again;
  /// Plays that many episodes of each depth and prints how many were solved.
  std::function<Result<void>(std::size_t n_episodes)> count;
};

/// Reads questions from stdin, one a line, and answers on stdout, until `quit` or the end of input.
/// A `> ` stands before each when stdin is a terminal. Errors: of the actor.
Result<void> answer_questions(ToldEpisode& episode, const EpisodePrinter& printer,
                              const PromptActions& actions);

}  // namespace hadal
