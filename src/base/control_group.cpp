#include "base/control_group.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>

namespace hadal {
namespace {

using std::filesystem::path;

bool lists(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return wanted.empty();
}

/// This process's group in the hierarchy of `controller` (empty: the unified one, version 2).
std::string group_of(const path& root, std::string_view controller) {
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // number:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controllers.empty() == controller.empty() && lists(controllers, controller))
      return line.substr(second + 1);
  }
  return "/";
}

/// The smallest of read(directory) on the way from the group to the mounted root. In a container
/// the path may be the host's and lead nowhere: the root is then the container's own group.
template <typename T, typename Read>
std::optional<T> smallest(const path& mounted, std::string_view controller, const path& root,
                          Read&& read) {
  std::optional<T> least;
  const std::string top = mounted.string();
  for (path group = top + group_of(root, controller); group.string().size() >= top.size();
       group = group.parent_path()) {
    if (const std::optional<T> limit = read(group))
      least = std::min(*limit, least.value_or(*limit));
  }
  return least;
}

template <typename T>
std::optional<T> least_of(std::optional<T> a, std::optional<T> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

template <typename T>
std::optional<T> number_in(const path& file) {
  std::ifstream in(file);
  T value{};
  if (in >> value) return value;
  return std::nullopt;
}

std::optional<double> share(double quota, double period) {
  if (quota > 0 && period > 0) return quota / period;
  return std::nullopt;  // version 1 says "no quota" by -1
}

}  // namespace

std::optional<std::uint64_t> memory_limit_bytes(const path& root) {
  constexpr std::uint64_t kNoLimit = 1ull << 60;  // version 1 says "no limit" by a huge number
  const auto read = [](const char* file) {
    return [file](const path& group) {
      const auto limit = number_in<std::uint64_t>(group / file);
      return limit && *limit < kNoLimit ? limit : std::nullopt;
    };
  };
  const path mounted = root / "sys/fs/cgroup";
  return least_of(
      smallest<std::uint64_t>(mounted, "", root, read("memory.max")),
      smallest<std::uint64_t>(mounted / "memory", "memory", root, read("memory.limit_in_bytes")));
}

std::optional<double> cpu_quota(const path& root) {
  const auto version2 = [](const path& group) -> std::optional<double> {
    std::ifstream in(group / "cpu.max");  // "200000 100000" or "max 100000"
    double quota = 0;
    double period = 0;
    return in >> quota >> period ? share(quota, period) : std::nullopt;
  };
  const auto version1 = [](const path& group) -> std::optional<double> {
    return share(number_in<double>(group / "cpu.cfs_quota_us").value_or(-1),
                 number_in<double>(group / "cpu.cfs_period_us").value_or(0));
  };
  const path mounted = root / "sys/fs/cgroup";
  return least_of(smallest<double>(mounted, "", root, version2),
                  smallest<double>(mounted / "cpu", "cpu", root, version1));
}

}  // namespace hadal
