// Flags that nobody typed: from the environment and from config files. Precedence: flag, then
// HADAL_NAME, then the project's file, then the user's, then the default (product.md section 2).
#pragma once

#include "base/result.h"

#include <CLI/CLI.hpp>

#include <span>
#include <string>
#include <vector>

namespace hadal {

/// Every option --some-name of every verb, and of every task of a verb, may be set by
/// HADAL_SOME_NAME.
void read_environment(CLI::App& app);

/// The arguments behind the program's name, with what files say and neither they nor the
/// environment do. Files: ./hadal.toml and $XDG_CONFIG_HOME/hadal/config.toml (default ~/.config),
/// or HADAL_SETTINGS=FILE instead of both ("none": no file). In them keys are options without the
/// dashes, under [VERB] or [VERB.TASK].
/// Errors: bad_format, invalid_argument (a verb or option that does not exist; the message names
/// the file).
Result<std::vector<std::string>> with_settings(const CLI::App& app,
                                               std::span<char* const> arguments);

}  // namespace hadal
