// The report of the ablation (docs/experiments/world-model.md): tables, the verdict and figures.
#pragma once

#include "eval/bootstrap.h"
#include "eval/run_record.h"

#include <map>
#include <span>
#include <string>

namespace hadal::eval {

struct AblationReport {
  std::string markdown;                        ///< names the figures beside it
  std::map<std::string, std::string> figures;  ///< file name -> SVG
};

/// Tables with 95 % intervals (success by depth, P, valid actions, shortest plans; comparisons;
/// probes; questions and perplexity where there are any), the verdict, and figures: success by
/// depth, loss and next-action accuracy against tokens. Arms that lack a depth of the endpoint have
/// no P, and the text names them. Deterministic.
AblationReport make_report(std::span<const RunRecord> runs, const BootstrapOptions& options);

}  // namespace hadal::eval
