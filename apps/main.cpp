// hadal: one program that runs, trains and evaluates DeepSeek-V4-family models.

#include "common.h"
#include "settings.h"
#include "verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <utility>

namespace {

constexpr const char* kAbout =
    "Hadal runs DeepSeek-V4-family models on plain hardware.\n"
    "First steps:   hadal play              one episode of a causal world, with the built-in "
    "model\n"
    "               hadal run -p \"Hello\"     one answer;  hadal run   a chat\n"
    "               hadal doctor            what this machine has and what fits\n"
    "Each verb explains itself: hadal VERB --help";

int run(int argc, char** argv) {
  CLI::App app{kAbout, "hadal"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "hadal " HADAL_VERSION);
  int exit_code = 0;
  hadal::add_play(app, exit_code);
  hadal::add_run(app, exit_code);
  hadal::add_doctor(app, exit_code);
  hadal::add_eval(app, exit_code);
  hadal::add_bench(app, exit_code);
  hadal::add_serve(app, exit_code);
  hadal::add_show(app, exit_code);
  hadal::add_tokenize(app, exit_code);
  hadal::add_render(app, exit_code);
  hadal::add_logits(app, exit_code);
  hadal::add_synth(app, exit_code);
  hadal::add_convert(app, exit_code);
  hadal::add_imatrix(app, exit_code);
  hadal::add_quantize(app, exit_code);
  hadal::add_arrange(app, exit_code);
  hadal::add_train(app, exit_code);
  hadal::read_environment(app);
  auto arguments =
      hadal::with_settings(app, std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!arguments) return hadal::report("settings", arguments.error());
  std::reverse(arguments->begin(), arguments->end());  // as CLI11 wants them
  try {
    app.parse(std::move(*arguments));
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "hadal: out of memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "hadal: unexpected error: {}\n", e.what());
  }
  return 1;
}
