// The report of the ablation (docs/experiments/world-model.md): reads the files of its runs, writes
// tables, the verdict and figures.
#pragma once

#include "base/result.h"
#include "eval/bootstrap.h"
#include "eval/episode_table.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// A curve of a training log.
struct LearningCurve {
  std::vector<double> tokens, loss, next_action_accuracy;  ///< equal lengths
};

/// One trained model, played in one mode.
struct RunRecord {
  std::string arm;  ///< "C"; of a second mode "F (token_causal)"
  std::uint64_t seed = 0;
  std::vector<EpisodeRow> episodes;
  LearningCurve curve;  ///< may be empty; of the first mode only
};

/// Reads DIR/<arm>-s<seed>/episodes.csv, and episodes-<mode>.csv as an arm of its own; log.csv (or
/// train.csv) beside them, where there is one, with the columns tokens, loss, next_action_accuracy
/// in any order; heldout_loss and heldout_accuracy are taken instead in a log that has at least two
/// of them. Folders of other names, and runs without episodes, are passed over. Sorted by arm and
/// seed. Errors: not_found (no run at all), bad_format.
Result<std::vector<RunRecord>> read_runs(const std::filesystem::path& directory);

struct AblationReport {
  std::string markdown;                        ///< names the figures beside it
  std::map<std::string, std::string> figures;  ///< file name -> SVG
};

/// Tables with 95 % intervals (success by depth, P, valid actions, shortest plans; comparisons;
/// probes), the verdict, and figures: success by depth, loss and next-action accuracy against
/// tokens. Arms that lack a depth of the endpoint have no P, and the text names them.
/// Deterministic.
AblationReport make_report(std::span<const RunRecord> runs, const BootstrapOptions& options);

}  // namespace hadal::eval
