// hadal eval: measures a model. Each task is a subcommand.
#include "eval.h"

#include "formats/atomic_file.h"
#include "verbs.h"

#include <cstddef>
#include <span>

namespace hadal {

Result<void> write_text(const std::filesystem::path& path, const std::string& text) {
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

void add_eval(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("eval", "Measure a model on a task, reproducibly");
  verb->require_subcommand(1);
  add_eval_worlds(*verb, exit_code);
  add_eval_report(*verb, exit_code);
  add_eval_moe(*verb, exit_code);
  add_eval_requests(*verb, exit_code);
}

}  // namespace hadal
