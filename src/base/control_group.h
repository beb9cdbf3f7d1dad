// Limits that a container, a service manager or a batch system put on this process: Linux control
// groups, versions 1 and 2 (Documentation/admin-guide/cgroup-v1, cgroup-v2.rst).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace hadal {

/// The smallest limit of this process's group and the groups above it; nothing: no limit, or none
/// that can be read. `root` holds proc/ and sys/ (tests bring their own). Cost: some small files.
std::optional<std::uint64_t> memory_limit_bytes(const std::filesystem::path& root = "/");
/// CPUs' worth of time per second, > 0: 1.5 is three halves of a CPU.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace hadal
