// Memory of this machine as Linux tells it (man 5 proc_meminfo).
#pragma once

#include <cstdint>
#include <string_view>

namespace hadal {

/// A value of /proc/meminfo, e.g. "MemTotal"; 0 when it cannot be read.
std::uint64_t memory_info_bytes(std::string_view key);

/// What programs may still take without swapping, within the limit of this process's control group;
/// 0 when it cannot be read. Cost: some small files.
std::uint64_t available_memory_bytes();

/// What this process holds in memory (its resident set); 0 when it cannot be read.
std::uint64_t process_memory_bytes();

}  // namespace hadal
