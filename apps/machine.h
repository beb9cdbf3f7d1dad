// What this machine has, as far as it matters for running models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

struct Machine {
  std::string cpu;  ///< "AMD EPYC"; "unknown" when the system does not say
  std::vector<std::string>
      cpu_features;                 ///< those that kernels use or will use, as Linux names them
  std::size_t n_cpus = 1;           ///< CPUs (hardware threads) this process may run on
  std::size_t n_cores = 1;          ///< physical cores of these
  std::size_t n_nodes = 1;          ///< memory nodes of these
  std::optional<double> cpu_quota;  ///< CPUs' worth of time, when the control group has a limit
  std::size_t n_threads = 1;        ///< that a run starts by default
  std::string
      huge_pages;  ///< Linux's mode for anonymous memory: always, madvise, never; or unknown
  std::uint64_t memory_bytes = 0;     ///< installed
  std::uint64_t available_bytes = 0;  ///< without swapping, the container's limit respected
  std::optional<std::uint64_t> memory_limit_bytes;  ///< of the control group, when it has one
};

/// Reads /proc and /sys. What cannot be read stays at its default.
Machine look_at_machine();

/// Free bytes for this user on the disk that holds `path` or its nearest existing parent; 0 when
/// unknown.
std::uint64_t free_disk_bytes(std::filesystem::path path);

}  // namespace hadal
