// The verbs of the program, one file each: apps/<verb>.cpp. A verb adds its subcommand; when it was
// chosen and has run, it leaves its exit code: 0 done, 1 failed, 2 wrong use.
#pragma once

#include <CLI/CLI.hpp>

namespace hadal {

void add_arrange(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_convert(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_eval(CLI::App& app, int& exit_code);
void add_imatrix(CLI::App& app, int& exit_code);
void add_logits(CLI::App& app, int& exit_code);
void add_play(CLI::App& app, int& exit_code);
void add_quantize(CLI::App& app, int& exit_code);
void add_render(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_serve(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_synth(CLI::App& app, int& exit_code);
void add_tokenize(CLI::App& app, int& exit_code);
void add_train(CLI::App& app, int& exit_code);

}  // namespace hadal
