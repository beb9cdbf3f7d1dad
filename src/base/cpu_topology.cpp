#include "base/cpu_topology.h"

#include "base/control_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include <sched.h>

namespace hadal {
namespace {

using std::filesystem::path;

constexpr std::uint32_t kMostCpus = 65536;  // a file that says more is wrong

std::optional<CpuList> read_cpu_list(const path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return parse_cpu_list(line);
}

/// A number below kMostCpus at the start of `text`, which loses it.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || value >= kMostCpus) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool contains(const CpuList& list, std::uint32_t cpu) {
  return std::binary_search(list.begin(), list.end(), cpu);
}

std::uint32_t core_of(const path& cpus, std::uint32_t cpu) {
  const auto siblings =
      read_cpu_list(cpus / fmt::format("cpu{}/topology/thread_siblings_list", cpu));
  return siblings && contains(*siblings, cpu) ? siblings->front() : cpu;
}

/// {node: its CPUs}
std::map<std::uint32_t, CpuList> read_nodes(const path& directory) {
  std::map<std::uint32_t, CpuList> nodes;
  const auto online = read_cpu_list(directory / "online");  // nodes are listed as CPUs are
  for (const std::uint32_t node : online.value_or(CpuList{})) {
    if (auto cpus = read_cpu_list(directory / fmt::format("node{}/cpulist", node)))
      nodes.emplace(node, std::move(*cpus));
  }
  return nodes;
}

/// CPUs such that any first part of the list loads cores before second hardware threads, and nodes
/// evenly: memory and caches of all nodes serve also a run with few threads.
std::vector<Cpu> in_order_of_use(const CpuTopology& topology) {
  struct Place {
    std::size_t sibling;  ///< how many CPUs of this core come before
    std::size_t turn;     ///< how many such CPUs of this node come before
    Cpu cpu;
  };
  std::vector<Place> places;
  for (const Cpu& cpu : topology.cpus) {
    const auto same_core = [&](const Place& p) { return p.cpu.core == cpu.core; };
    const std::size_t sibling = std::count_if(places.begin(), places.end(), same_core);
    const auto same_rank = [&](const Place& p) {
      return p.sibling == sibling && p.cpu.node == cpu.node;
    };
    const std::size_t turn = std::count_if(places.begin(), places.end(), same_rank);
    places.push_back({sibling, turn, cpu});
  }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.sibling != b.sibling ? a.sibling < b.sibling : a.turn < b.turn;
  });
  std::vector<Cpu> order;
  order.reserve(places.size());
  for (const Place& place : places) order.push_back(place.cpu);
  return order;
}

}  // namespace

std::size_t CpuTopology::n_cores() const {
  CpuList cores;
  for (const Cpu& cpu : cpus) cores.push_back(cpu.core);
  std::sort(cores.begin(), cores.end());
  return static_cast<std::size_t>(std::unique(cores.begin(), cores.end()) - cores.begin());
}

CpuList CpuTopology::nodes() const {
  CpuList nodes;
  for (const Cpu& cpu : cpus) nodes.push_back(cpu.node);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

std::optional<CpuList> parse_cpu_list(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  CpuList cpus;
  while (!text.empty()) {
    const auto first = take_number(text);
    auto last = first;
    if (first && !text.empty() && text.front() == '-') {
      text.remove_prefix(1);
      last = take_number(text);
    }
    if (!first || !last || *last < *first) return std::nullopt;
    for (std::uint32_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1 || cpus.size() > kMostCpus) return std::nullopt;
    text.remove_prefix(1);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

CpuTopology read_cpu_topology(const path& root, const CpuList& allowed) {
  const path system = root / "sys/devices/system";
  const auto online = read_cpu_list(system / "cpu/online");
  const auto nodes = read_nodes(system / "node");
  CpuTopology topology{.cpus = {}, .quota = cpu_quota(root)};
  for (const std::uint32_t id : allowed) {
    if (online && !contains(*online, id)) continue;
    const auto home = std::find_if(nodes.begin(), nodes.end(),
                                   [&](const auto& node) { return contains(node.second, id); });
    topology.cpus.push_back({.id = id,
                             .core = core_of(system / "cpu", id),
                             .node = home == nodes.end() ? 0 : home->first});
  }
  if (topology.cpus.empty()) topology.cpus.push_back({});
  return topology;
}

const CpuTopology& cpu_topology() {
  static const CpuTopology topology = [] {
    CpuList allowed = affinity();
    if (allowed.empty()) {
      for (std::uint32_t i = 0; i < std::thread::hardware_concurrency(); ++i) allowed.push_back(i);
    }
    return read_cpu_topology("/", allowed);
  }();
  return topology;
}

std::size_t default_n_threads(const CpuTopology& topology) {
  const std::size_t n_cores = topology.n_cores();
  if (!topology.quota || *topology.quota >= static_cast<double>(n_cores)) return n_cores;
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::floor(*topology.quota)));
}

std::size_t default_n_threads() {
  return default_n_threads(cpu_topology());
}

std::vector<CpuList> worker_cpus(const CpuTopology& topology, std::size_t n_threads,
                                 Pinning pinning) {
  const std::vector<Cpu> order = in_order_of_use(topology);
  const std::size_t n_cores = topology.n_cores();
  std::vector<CpuList> cpus;
  if (pinning == Pinning::fixed && n_threads <= order.size()) {
    for (std::size_t i = 1; i < n_threads; ++i) cpus.push_back({order[i].id});  // 0: the caller's
  }
  if (pinning == Pinning::cores && n_cores < order.size() && n_threads <= n_cores) {
    CpuList firsts;
    for (std::size_t i = 0; i < n_cores; ++i) firsts.push_back(order[i].id);
    std::sort(firsts.begin(), firsts.end());
    if (n_threads > 1) cpus.assign(n_threads - 1, firsts);
  }
  return cpus;
}

CpuList affinity() {
  for (std::size_t n = 1024; n <= kMostCpus; n *= 2) {  // EINVAL: more CPUs than the mask holds
    std::vector<cpu_set_t> mask(n / CPU_SETSIZE);
    const std::size_t n_bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, n_bytes, mask.data()) != 0) continue;
    CpuList cpus;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (CPU_ISSET_S(i, n_bytes, mask.data())) cpus.push_back(i);
    }
    return cpus;
  }
  return {};
}

bool set_affinity(pthread_t thread, const CpuList& cpus) {
  if (cpus.empty()) return false;
  std::vector<cpu_set_t> mask(cpus.back() / CPU_SETSIZE + 1);
  const std::size_t n_bytes = mask.size() * sizeof(cpu_set_t);
  for (const std::uint32_t cpu : cpus) CPU_SET_S(cpu, n_bytes, mask.data());
  return ::pthread_setaffinity_np(thread, n_bytes, mask.data()) == 0;
}

}  // namespace hadal
