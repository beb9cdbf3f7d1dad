// An episode as JSON, for programs and for the page: what `hadal play --json` prints.
#pragma once

#include "agent/told_episode.h"

#include <nlohmann/json.hpp>

namespace hadal {

/// The world, each step with what the model wrote, named and attended to, changes from outside, and
/// all events of the graph with their causes. Texts that a model wrote may be no UTF-8.
/// @param seconds  that the steps took, > 0
nlohmann::ordered_json episode_json(const ToldEpisode& episode, double seconds);

}  // namespace hadal
