// Where memory lies on a machine with several memory nodes (NUMA). Why interleaved:
// docs/threads.md.
#pragma once

#include "base/cpu_topology.h"

namespace hadal {

/// Nodes that share the memory of a run with `n_threads` threads, page by page in turn; empty:
/// there is nothing to share, because one node or one thread does all.
CpuList nodes_to_interleave(const CpuTopology& topology, std::size_t n_threads);

enum class MemoryPlacement : std::uint8_t {
  local,        ///< nothing to interleave: pages lie where they are first touched
  interleaved,  ///< over the nodes asked for
  given,        ///< the process was started with a policy of its own (numactl): left alone
  refused,      ///< the system allows no policy (containers without CAP_SYS_NICE): as local
};

/// From now on pages that this thread, or threads that it begins, touch first lie on `nodes` in
/// turn: work memory, and pages of mapped files that are not in the page cache yet (it is the
/// task's policy that places those, not one of the mapping: numa_memory_policy.rst in Linux's
/// Documentation). Call it before files are read and threads begun.
MemoryPlacement interleave_memory(const CpuList& nodes);

}  // namespace hadal
