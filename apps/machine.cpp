#include "machine.h"

#include "base/control_group.h"
#include "base/cpu_topology.h"
#include "base/memory_info.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

namespace hadal {
namespace {

/// Value of the first line "key ... : value" (or "key: value") of a /proc file; empty when absent.
std::string value_of(const std::filesystem::path& file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

/// The word in brackets: "always [madvise] never".
std::string huge_page_mode() {
  std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
  for (std::string word; in >> word;) {
    if (word.size() > 2 && word.front() == '[' && word.back() == ']')
      return word.substr(1, word.size() - 2);
  }
  return "unknown";
}

std::vector<std::string> cpu_features() {
  constexpr std::array<std::string_view, 15> kOfInterest = {
      "avx2",     "fma",      "f16c",     "avx512f",     "avx512bw",
      "avx512dq", "avx512vl", "avx_vnni", "avx512_vnni", "avx512_bf16",
      "amx_tile", "amx_int8", "amx_bf16", "asimd",       "sve"};
  std::string flags = value_of("/proc/cpuinfo", "flags");
  if (flags.empty()) flags = value_of("/proc/cpuinfo", "Features");
  std::vector<std::string> found;
  std::istringstream words(flags);
  for (std::string word; words >> word;) {
    if (std::find(kOfInterest.begin(), kOfInterest.end(), word) != kOfInterest.end())
      found.push_back(word);
  }
  return found;
}

}  // namespace

Machine look_at_machine() {
  Machine machine;
  machine.cpu = value_of("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = "unknown";
  machine.cpu_features = cpu_features();
  const CpuTopology& topology = cpu_topology();
  machine.n_cpus = topology.cpus.size();
  machine.n_cores = topology.n_cores();
  machine.n_nodes = topology.nodes().size();
  machine.cpu_quota = topology.quota;
  machine.n_threads = default_n_threads();
  machine.huge_pages = huge_page_mode();
  machine.memory_bytes = memory_info_bytes("MemTotal");
  machine.available_bytes = available_memory_bytes();
  machine.memory_limit_bytes = memory_limit_bytes();
  return machine;
}

std::uint64_t free_disk_bytes(std::filesystem::path path) {
  std::error_code failed;
  while (!std::filesystem::exists(path, failed) && path.has_relative_path())
    path = path.parent_path();
  const auto space = std::filesystem::space(path.empty() ? "." : path, failed);
  return failed ? 0 : space.available;
}

}  // namespace hadal
