// Questions about an episode that has been told: why, what if, graph.
#pragma once

#include "agent/told_episode.h"
#include "play_output.h"

#include <cstddef>
#include <optional>
#include <string>

namespace hadal {

/// Shows the steps to the end of the episode, or `n_steps` in all. Errors: of the actor.
Result<void> play_on(ToldEpisode& episode, const EpisodePrinter* printer,
                     std::optional<std::size_t> n_steps = {});

/// After which step a change comes that names none: the first, if there is one.
std::size_t default_moment(const ToldEpisode& episode);

/// Reads questions from stdin, one a line, and answers on stdout, until `quit` or the end of input.
/// A `> ` stands before each when stdin is a terminal. Errors: of the actor.
Result<void> answer_questions(ToldEpisode& episode, const EpisodePrinter& printer);

}  // namespace hadal
