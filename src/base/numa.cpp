#include "base/numa.h"

#include <climits>

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr std::size_t kBits = sizeof(unsigned long) * CHAR_BIT;

}  // namespace

CpuList nodes_to_interleave(const CpuTopology& topology, std::size_t n_threads) {
  CpuList nodes = topology.nodes();
  return n_threads > 1 && nodes.size() > 1 ? nodes : CpuList{};
}

MemoryPlacement interleave_memory(const CpuList& nodes) {
  if (nodes.empty()) return MemoryPlacement::local;
  int mode = MPOL_DEFAULT;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0ul, nullptr, 0ul) != 0)
    return MemoryPlacement::refused;
  if (mode != MPOL_DEFAULT) return MemoryPlacement::given;
  std::vector<unsigned long> mask(nodes.back() / kBits + 1);
  for (const std::uint32_t node : nodes) mask[node / kBits] |= 1ul << node % kBits;
  const unsigned long n_bits = mask.size() * kBits + 1;  // the kernel counts one less
  return ::syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask.data(), n_bits) == 0
             ? MemoryPlacement::interleaved
             : MemoryPlacement::refused;
}

}  // namespace hadal
