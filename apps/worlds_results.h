// What `hadal eval worlds` found, for people and for programs.
#pragma once

#include "engine/engine.h"
#include "eval/episode_table.h"
#include "eval/question_table.h"
#include "eval/text_scores.h"

#include <nlohmann/json.hpp>

#include <string_view>
#include <vector>

namespace hadal {

struct WorldsResults {
  std::vector<eval::EpisodeRow> plain, perturbed, hidden;
  eval::TextScores text;
  std::vector<eval::QuestionRow> questions;
};

/// "p" is the mean success over depths 2 .. 8, null if one of them was not played.
nlohmann::ordered_json worlds_results_json(const WorldsResults& results,
                                           const nlohmann::ordered_json& settings, Engine& engine,
                                           double seconds);
/// @param mode  of the world model
void print_worlds_results(const WorldsResults& results, std::string_view mode);

}  // namespace hadal
