#include "eval/arm_data.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hadal::eval {

bool ArmData::has_seed(std::uint64_t seed) const {
  return std::any_of(runs.begin(), runs.end(), [&](const RunData& r) { return r.seed == seed; });
}

std::map<std::string, ArmData> arms_of(std::span<const RunRecord> records) {
  std::map<std::string, ArmData> arms;
  for (const RunRecord& record : records) {
    ArmData& arm = arms[record.arm];
    arm.outcomes.name = record.arm;
    RunOutcomes outcomes;
    RunData run;
    run.seed = record.seed;
    for (const EpisodeRow& row : record.episodes) {
      if (row.kind == EpisodeKind::plain) {
        outcomes.solved[row.depth].push_back(row.solved ? 1 : 0);
        arm.plain.add(row);
        arm.plain_by_depth[row.depth].add(row);
      } else {
        (row.kind == EpisodeKind::perturbed ? run.perturbed : run.hidden).add(row);
      }
    }
    for (const QuestionRow& row : record.questions)
      (row.set == QuestionSet::pair ? run.pairs : run.questions[row.type]).add(row);
    arm.outcomes.runs.push_back(std::move(outcomes));
    arm.runs.push_back(std::move(run));
    arm.flops += record.flops.value_or(0.0);
    if (record.text) arm.texts.push_back(*record.text);
    if (!record.curve.tokens.empty()) arm.curves.push_back(&record.curve);
  }
  return arms;
}

Arm part_of(const ArmData& arm, std::span<const std::uint64_t> seeds, std::size_t n_episodes) {
  Arm part{.name = arm.outcomes.name, .runs = {}};
  for (std::size_t i = 0; i < arm.runs.size(); ++i) {
    if (std::find(seeds.begin(), seeds.end(), arm.runs[i].seed) == seeds.end()) continue;
    RunOutcomes outcomes = arm.outcomes.runs[i];
    for (auto& [depth, solved] : outcomes.solved)
      if (solved.size() > n_episodes) solved.resize(n_episodes);
    part.runs.push_back(std::move(outcomes));
  }
  return part;
}

std::size_t common_episodes(const ArmData& arm) {
  std::size_t n = std::numeric_limits<std::size_t>::max();
  for (const RunOutcomes& run : arm.outcomes.runs)
    for (const auto& [depth, solved] : run.solved) n = std::min(n, solved.size());
  return n;
}

}  // namespace hadal::eval
