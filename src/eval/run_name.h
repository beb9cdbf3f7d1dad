// Names of the folders of runs: <arm>-s<seed>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hadal::eval {

struct RunName {
  std::string arm;
  std::uint64_t seed;
};

/// "C-s2"; nothing for another form.
std::optional<RunName> parse_run_name(const std::string& name);

}  // namespace hadal::eval
