// hadal eval: measures a model. Each task is a subcommand.
#include "eval.h"

#include "verbs.h"

namespace hadal {

void add_eval(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("eval", "Measure a model on a task, reproducibly");
  verb->require_subcommand(1);
  add_eval_worlds(*verb, exit_code);
  add_eval_report(*verb, exit_code);
  add_eval_moe(*verb, exit_code);
  add_eval_requests(*verb, exit_code);
}

}  // namespace hadal
