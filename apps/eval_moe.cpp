// hadal eval moe: what a mixture of experts saves against dense models at equal loss, from the
// files of the runs.
#include "common.h"
#include "eval.h"
#include "eval/moe_study.h"

#include <fmt/format.h>

#include <memory>

namespace hadal {
namespace {

struct EvalMoeFlags {
  std::string runs;
  std::size_t tokens = 256;
};

Result<void> eval_moe(const EvalMoeFlags& flags) {
  HADAL_ASSIGN(const auto runs, eval::read_moe_study(flags.runs));
  fmt::print("{}", eval::moe_study_report(runs, flags.tokens));
  return {};
}

}  // namespace

void add_eval_moe(CLI::App& eval, int& exit_code) {
  auto flags = std::make_shared<EvalMoeFlags>();
  CLI::App* task = eval.add_subcommand(
      "moe",
      "A mixture of experts against dense models of the same stack, at equal loss: FLOPs, bytes "
      "read and time per token, from RUNS/<name>-s<seed>/ with config.json, log.csv (of train) and "
      "bench.json (of bench --json)");
  task->add_option("--runs", flags->runs, "folder of the runs")->required();
  task->add_option("--tokens", flags->tokens, "operations: mean over that many tokens")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  task->callback([flags, &exit_code] {
    if (const auto done = eval_moe(*flags); !done) exit_code = report("eval moe", done.error());
  });
}

}  // namespace hadal
