// Runs the program `hadal` as a user does: arguments in; exit code, stdout and stderr out.
#pragma once

#include "base/temporary_directory_for_test.h"

#include <string>
#include <vector>

namespace hadal::e2e {

struct Outcome {
  int exit_code = -1;  ///< -1: ended by a signal
  std::string out;
  std::string err;
};

/// Waits for the end. The program's environment is this one's without HADAL_* variables, and
/// it reads no settings file.
Outcome run_program(const std::vector<std::string>& arguments, const std::string& input = "");

/// A new directory that is removed with everything in it.
class TemporaryDirectory : private hadal::TemporaryDirectory {
 public:
  std::string operator/(const std::string& name) const { return (path() / name).string(); }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const;
};

}  // namespace hadal::e2e
