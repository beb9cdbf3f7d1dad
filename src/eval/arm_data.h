// What the runs of one arm of the ablation have left, summed up for the tables of the report.
#pragma once

#include "eval/bootstrap.h"
#include "eval/run_record.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// One trained model.
struct RunData {
  std::uint64_t seed = 0;
  Summary perturbed, hidden;
  std::map<worlds::QuestionType, QuestionSummary> questions;  ///< may be empty
  QuestionSummary pairs;
};

struct ArmData {
  Arm outcomes;               ///< in the order of `runs`
  std::vector<RunData> runs;  ///< by rising seed
  Summary plain;              ///< of all runs
  std::map<int, Summary> plain_by_depth;
  std::vector<TextSums> texts;
  std::vector<const LearningCurve*> curves;  ///< of the records
  double flops = 0.0;                        ///< of all plain episodes; 0: unknown

  bool has_seed(std::uint64_t seed) const;
};

/// By name. The records must outlive them.
std::map<std::string, ArmData> arms_of(std::span<const RunRecord> runs);

/// The arm as if only these runs, and of each depth only the first `n_episodes`, had been played.
Arm part_of(const ArmData& arm, std::span<const std::uint64_t> seeds, std::size_t n_episodes);
/// Episodes that every run has of every depth.
std::size_t common_episodes(const ArmData& arm);

}  // namespace hadal::eval
