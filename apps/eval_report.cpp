// hadal eval report: tables, verdict and figures of the world-model ablation from the files of its
// runs.
#include "common.h"
#include "eval.h"
#include "eval/ablation_report.h"

#include <fmt/format.h>

#include <memory>

namespace hadal {
namespace {

struct EvalReportFlags {
  std::string runs;
  std::string out;
  std::size_t resamples = 10000;
};

Result<void> eval_report(const EvalReportFlags& flags) {
  HADAL_ASSIGN(const auto runs, eval::read_runs(flags.runs));
  const eval::AblationReport report = eval::make_report(runs, {.n_resamples = flags.resamples});
  if (flags.out.empty()) {
    fmt::print("{}", report.markdown);
    return {};
  }
  const std::filesystem::path out = flags.out;
  std::error_code failure;
  std::filesystem::create_directories(out, failure);
  HADAL_TRY(write_text(out / "report.md", report.markdown));
  for (const auto& [name, svg] : report.figures) HADAL_TRY(write_text(out / name, svg));
  fmt::print("{}: {} runs, {} figures\n", (out / "report.md").string(), runs.size(),
             report.figures.size());
  return {};
}

}  // namespace

void add_eval_report(CLI::App& eval, int& exit_code) {
  auto flags = std::make_shared<EvalReportFlags>();
  CLI::App* task = eval.add_subcommand(
      "report",
      "The world-model ablation: tables with intervals, verdict and figures, from "
      "RUNS/<arm>-s<seed>/episodes.csv (of eval worlds) and log.csv (of train)");
  task->add_option("--runs", flags->runs, "folder of the runs")->required();
  task->add_option("--out", flags->out,
                   "folder for report.md and its figures (default: the text on stdout)");
  task->add_option("--resamples", flags->resamples, "of the bootstrap")
      ->check(CLI::Range(100, 10000000))
      ->capture_default_str();
  task->callback([flags, &exit_code] {
    if (const auto done = eval_report(*flags); !done)
      exit_code = report("eval report", done.error());
  });
}

}  // namespace hadal
