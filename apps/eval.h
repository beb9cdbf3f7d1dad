// The tasks of `hadal eval`, one file each.
#pragma once

#include "base/result.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>

namespace hadal {

/// Replaces the file as a whole. Errors: io_error.
Result<void> write_text(const std::filesystem::path& path, const std::string& text);

/// eval worlds: planning in causal worlds.
void add_eval_worlds(CLI::App& eval, int& exit_code);
/// eval report: the ablation from the files of its runs.
void add_eval_report(CLI::App& eval, int& exit_code);
void add_eval_moe(CLI::App& eval, int& exit_code);
/// eval requests: plain English in causal worlds.
void add_eval_requests(CLI::App& eval, int& exit_code);

}  // namespace hadal
