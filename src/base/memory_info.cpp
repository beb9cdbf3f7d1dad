#include "base/memory_info.h"

#include "base/control_group.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <unistd.h>

namespace hadal {

std::uint64_t memory_info_bytes(std::string_view key) {
  std::ifstream in("/proc/meminfo");
  std::string name;
  std::uint64_t kib = 0;
  for (std::string rest; in >> name >> kib; std::getline(in, rest)) {
    if (name.size() == key.size() + 1 && name.back() == ':' && name.starts_with(key))
      return kib * 1024;
  }
  return 0;
}

std::uint64_t available_memory_bytes() {
  const std::uint64_t available = memory_info_bytes("MemAvailable");
  const auto limit = memory_limit_bytes();
  return limit ? std::min(available, *limit) : available;
}

std::uint64_t process_memory_bytes() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t n_virtual = 0, n_resident = 0;
  in >> n_virtual >> n_resident;
  return in ? n_resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace hadal
