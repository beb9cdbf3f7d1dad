// Which CPUs this process may use, how they form cores and memory nodes, and what follows: how many
// threads to start and where each may run. Reasons and costs: docs/threads.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include <pthread.h>

namespace hadal {

using CpuList = std::vector<std::uint32_t>;  ///< numbers of CPUs, ascending

/// A CPU as Linux counts them: a hardware thread.
struct Cpu {
  std::uint32_t id = 0;
  std::uint32_t core = 0;  ///< the smallest CPU number of its physical core
  std::uint32_t node = 0;  ///< memory node (NUMA)

  bool operator==(const Cpu&) const = default;
};

/// The CPUs that this process may use, ascending by id; at least one.
struct CpuTopology {
  std::vector<Cpu> cpus;
  std::optional<double> quota;  ///< CPUs' worth of time, by the control group

  std::size_t n_cores() const;
  CpuList nodes() const;  ///< memory nodes of these CPUs, ascending
};

/// Reads sys/devices/system/{cpu,node}, proc/self/cgroup and sys/fs/cgroup below `root`. What is
/// missing or unreadable means: every allowed CPU is online, each is a core, all are on node 0, no
/// quota.
/// @param allowed  the process's affinity mask; never left.
CpuTopology read_cpu_topology(const std::filesystem::path& root, const CpuList& allowed);
/// Of this machine and process, as it was when first asked for.
const CpuTopology& cpu_topology();

/// "0-2,8" -> {0, 1, 2, 8}; nothing when the text is no list of CPUs or a number is above 65535.
std::optional<CpuList> parse_cpu_list(std::string_view text);

/// One thread per physical core, because two on one core share the units that bound our kernels,
/// and no more than the quota pays for: who exceeds it is stopped for the rest of the period.
std::size_t default_n_threads(const CpuTopology& topology);
std::size_t default_n_threads();

/// Where worker threads may run.
enum class Pinning : std::uint8_t {
  none,   ///< wherever this process may
  cores,  ///< on one hardware thread of each core, and the system may move them between cores
  fixed,  ///< each on a core of its own, the nodes in turn
};

/// CPUs of the workers 0 .. n_threads - 2 of a pool whose caller is one more thread, which keeps
/// its own mask: callers do other things too. Empty: nothing to restrict; so with `cores` when the
/// machine has no second hardware threads, or more threads than cores were asked for, and with
/// `fixed` when there are more threads than CPUs.
std::vector<CpuList> worker_cpus(const CpuTopology& topology, std::size_t n_threads,
                                 Pinning pinning);

/// Affinity mask of the calling thread; empty when the system does not say.
CpuList affinity();
/// False when the system refuses.
bool set_affinity(pthread_t thread, const CpuList& cpus);

}  // namespace hadal
