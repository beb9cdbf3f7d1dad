// The files that a run of the ablation has left.
#pragma once

#include "base/result.h"
#include "eval/episode_table.h"
#include "eval/question_table.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hadal::eval {

/// A curve of a training log.
struct LearningCurve {
  std::vector<double> tokens, loss, next_action_accuracy;  ///< equal lengths
};

/// Held-out narratives (TextScores).
struct TextSums {
  double perplexity = 0.0;       ///< over all tokens
  double body_perplexity = 0.0;  ///< over bodies of events
  double next_action_accuracy = 0.0;
};

/// y at `x` by straight lines between points of rising x; the ends go on level. Not empty.
double interpolate(const std::vector<double>& xs, const std::vector<double>& ys, double x);

/// One trained model, played in one mode.
struct RunRecord {
  std::string arm;  ///< "C"; of a second mode "F (token_causal)"
  std::uint64_t seed = 0;
  std::vector<EpisodeRow> episodes;
  std::vector<QuestionRow> questions = {};  ///< may be empty
  std::optional<TextSums> text = {};
  std::optional<double> flops = {};  ///< of all plain episodes together (episode_costs.h)
  LearningCurve curve;               ///< may be empty; of the first mode only
};

/// Reads DIR/<arm>-s<seed>/episodes.csv, and episodes-<mode>.csv as an arm of its own, with
/// questions[-<mode>].csv and episodes[-<mode>].json where they are; log.csv (or
/// train.csv) beside them, where there is one, with the columns tokens, loss, next_action_accuracy
/// in any order; heldout_loss and heldout_accuracy are taken instead in a log that has at least two
/// of them. Folders of other names, and runs without episodes, are passed over. Sorted by arm and
/// seed. Errors: not_found (no run at all), bad_format.
Result<std::vector<RunRecord>> read_runs(const std::filesystem::path& directory);

}  // namespace hadal::eval
