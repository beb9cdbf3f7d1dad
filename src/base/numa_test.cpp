#include "base/numa.h"

#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {
namespace {

/// The policy of the calling thread, as the kernel reports it.
struct Policy {
  int mode = -1;
  unsigned long nodes[16] = {};
};

Policy kernels_policy() {
  Policy policy;
  ::syscall(SYS_get_mempolicy, &policy.mode, policy.nodes, sizeof(policy.nodes) * 8, nullptr, 0ul);
  return policy;
}

/// Runs f on a thread of its own: policies belong to threads, and tests share this process.
template <typename F>
void on_new_thread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

CpuTopology topology_of(const std::vector<std::uint32_t>& node_of_cpu) {
  CpuTopology topology;
  for (std::uint32_t i = 0; i < node_of_cpu.size(); ++i)
    topology.cpus.push_back({i, i, node_of_cpu[i]});
  return topology;
}

}  // namespace

TEST(NodesToInterleave, AreThoseOfTheCpusThatMayBeUsed) {
  EXPECT_EQ(nodes_to_interleave(topology_of({0, 1, 0, 1}), 4), (CpuList{0, 1}));
  EXPECT_EQ(nodes_to_interleave(topology_of({2, 2, 70}), 3), (CpuList{2, 70}));
}

TEST(NodesToInterleave, AreNoneForOneNodeOrOneThread) {
  EXPECT_TRUE(nodes_to_interleave(topology_of({0, 0}), 2).empty());
  EXPECT_TRUE(nodes_to_interleave(topology_of({1, 1}), 2).empty());  // a mask inside of one node
  EXPECT_TRUE(nodes_to_interleave(topology_of({0, 1}), 1).empty());
}

TEST(InterleaveMemory, IsWhatTheKernelThenReportsForThisThreadAndItsPool) {
  on_new_thread([] {
    const MemoryPlacement placement = interleave_memory({0});  // node 0 is everywhere
    if (placement != MemoryPlacement::interleaved)
      GTEST_SKIP() << "the system allows no memory policy here, or the process was given one";

    Policy here = kernels_policy();
    EXPECT_EQ(here.mode, MPOL_INTERLEAVE);
    EXPECT_EQ(here.nodes[0], 1ul);

    ThreadPool pool(3);
    std::atomic<int> n_interleaved{0};
    pool.on_every_thread([&] { n_interleaved += kernels_policy().mode == MPOL_INTERLEAVE; });
    EXPECT_EQ(n_interleaved, 3);
  });
}

TEST(InterleaveMemory, LeavesThePolicyOfTheUserAlone) {
  on_new_thread([] {
    const unsigned long node_0 = 1;
    if (::syscall(SYS_set_mempolicy, MPOL_BIND, &node_0, 64ul) != 0)
      GTEST_SKIP() << "the system allows no memory policy here";

    EXPECT_EQ(interleave_memory({0}), MemoryPlacement::given);
    EXPECT_EQ(kernels_policy().mode, MPOL_BIND);
  });
}

TEST(InterleaveMemory, DoesNothingWithoutNodesAndSurvivesUnknownOnes) {
  on_new_thread([] {
    const int before = kernels_policy().mode;
    EXPECT_EQ(interleave_memory({}), MemoryPlacement::local);
    EXPECT_NE(interleave_memory({65535}), MemoryPlacement::interleaved);
    EXPECT_EQ(kernels_policy().mode, before);
  });
}

}  // namespace hadal
