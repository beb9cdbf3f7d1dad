// What a mixture of experts saves against dense models of the same stack at equal loss
// (world-model.md 4.4, experiments/moe).
#pragma once

#include "base/result.h"
#include "engine/model/config.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// One trained model of the study.
struct MoeStudyRun {
  std::string name;  ///< "moe", "dense-1.5"
  std::uint64_t seed = 0;
  ModelConfig config;
  double tokens = 0.0;  ///< trained
  double loss = 0.0;    ///< on held-out text, at the end of training
  /// Medians of `hadal bench`, by "prefill, 1 thread", "decode, 2 threads"; may be empty.
  std::map<std::string, double> tokens_per_second = {};

  bool is_mixture() const { return config.n_routed_experts > 1; }
};

/// Reads DIR/<name>-s<seed>/: config.json, log.csv (columns tokens and heldout_loss; the last
/// number counts) and, where there is one, bench.json of `hadal bench --json`. Folders of other
/// names, and of runs that have left no log.csv yet, are passed over. Sorted by name and seed.
/// Errors: not_found (no run), bad_format.
Result<std::vector<MoeStudyRun>> read_moe_study(const std::filesystem::path& directory);

/// Markdown: each model's costs and loss, then for every mixture what a dense model of equal loss
/// would cost (cost_at_loss; the mean loss where a model has several seeds) and the saving, or why
/// there is no such number. Costs are per token: operations at a context of `n_tokens`
/// (mean_token_flops), bf16 bytes of weights read, seconds of prefill and decode.
std::string moe_study_report(std::span<const MoeStudyRun> runs, std::size_t n_tokens);

}  // namespace hadal::eval
