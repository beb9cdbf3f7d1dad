#include "eval/run_name.h"

#include <charconv>

namespace hadal::eval {

std::optional<RunName> parse_run_name(const std::string& name) {
  const std::size_t dash = name.rfind("-s");
  if (dash == std::string::npos || dash == 0 || dash + 2 == name.size()) return std::nullopt;
  RunName run{.arm = name.substr(0, dash), .seed = 0};
  const char* const end = name.data() + name.size();
  const auto [at, failure] = std::from_chars(name.data() + dash + 2, end, run.seed);
  return failure == std::errc() && at == end ? std::optional(run) : std::nullopt;
}

}  // namespace hadal::eval
