#include "base/cpu_topology.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <string>
#include <thread>

#include <sched.h>
#include <unistd.h>

namespace hadal {
namespace {

/// A machine's /sys and /proc in a directory of its own.
class FakeMachine {
 public:
  FakeMachine() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::temp_directory_path() /
            (std::string("hadal-") + test->name() + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  void cpu(std::uint32_t id, const std::string& siblings) const {
    write("sys/devices/system/cpu/cpu" + std::to_string(id) + "/topology/thread_siblings_list",
          siblings + "\n");
  }
  void online(const std::string& cpus) const {
    write("sys/devices/system/cpu/online", cpus + "\n");
  }
  void nodes(const std::vector<std::string>& cpus_of_node) const {
    const std::string last = std::to_string(cpus_of_node.size() - 1);
    write("sys/devices/system/node/online", "0-" + last + "\n");
    for (std::size_t i = 0; i < cpus_of_node.size(); ++i)
      write("sys/devices/system/node/node" + std::to_string(i) + "/cpulist",
            cpus_of_node[i] + "\n");
  }
  CpuTopology read(const CpuList& allowed) const { return read_cpu_topology(root_, allowed); }

 private:
  std::filesystem::path root_;
};

CpuList first_cpus(std::uint32_t n) {
  CpuList cpus(n);
  std::iota(cpus.begin(), cpus.end(), 0u);
  return cpus;
}

/// As Linux counts two sockets of 32 cores with two hardware threads: CPUs 0-31 and 64-95 on node
/// 0, the others on node 1; CPU c + 64 is the sibling of c.
void two_sockets(const FakeMachine& machine) {
  machine.online("0-127");
  for (std::uint32_t c = 0; c < 64; ++c) {
    const std::string siblings = std::to_string(c) + "," + std::to_string(c + 64);
    machine.cpu(c, siblings);
    machine.cpu(c + 64, siblings);
  }
  machine.nodes({"0-31,64-95", "32-63,96-127"});
}

}  // namespace

TEST(ParseCpuList, ReadsNumbersAndRanges) {
  EXPECT_EQ(parse_cpu_list("0\n"), (CpuList{0}));
  EXPECT_EQ(parse_cpu_list("0-2,8"), (CpuList{0, 1, 2, 8}));
  EXPECT_EQ(parse_cpu_list("8,0-1,1"), (CpuList{0, 1, 8}));
  EXPECT_EQ(parse_cpu_list("\n"), CpuList{});  // a node without CPUs
}

TEST(ParseCpuList, RefusesWhatIsNoList) {
  for (const char* text : {"x", "1-", "-1", "3-1", "0,", ",0", "0 1", "0-4294967295", "65536",
                           "99999999999", "0-1-2", "0x3"})
    EXPECT_FALSE(parse_cpu_list(text)) << text;
  std::string endless = "0-65535";
  for (int i = 0; i < 1000; ++i) endless += ",0-65535";
  EXPECT_FALSE(parse_cpu_list(endless));
}

TEST(CpuTopology, ReadsOneNodeOfTwoCpus) {
  const FakeMachine machine;
  machine.online("0-1");
  machine.cpu(0, "0");
  machine.cpu(1, "1");
  machine.nodes({"0-1"});

  const CpuTopology topology = machine.read({0, 1});

  EXPECT_EQ(topology.cpus, (std::vector<Cpu>{{0, 0, 0}, {1, 1, 0}}));
  EXPECT_EQ(topology.n_cores(), 2u);
  EXPECT_EQ(topology.nodes(), (CpuList{0}));
  EXPECT_FALSE(topology.quota);
  EXPECT_EQ(default_n_threads(topology), 2u);
}

TEST(CpuTopology, CountsCoresAndNotHardwareThreads) {
  const FakeMachine machine;
  two_sockets(machine);

  const CpuTopology topology = machine.read(first_cpus(128));

  EXPECT_EQ(topology.cpus.size(), 128u);
  EXPECT_EQ(topology.n_cores(), 64u);
  EXPECT_EQ(topology.nodes(), (CpuList{0, 1}));
  EXPECT_EQ(topology.cpus[96], (Cpu{96, 32, 1}));
  EXPECT_EQ(default_n_threads(topology), 64u);
}

TEST(CpuTopology, StaysInsideTheAffinityMask) {
  const FakeMachine machine;
  two_sockets(machine);

  const CpuTopology topology = machine.read({33, 34, 97, 98, 99});  // 99: core 35 by its sibling

  EXPECT_EQ(topology.cpus.size(), 5u);
  EXPECT_EQ(topology.nodes(), (CpuList{1}));
  EXPECT_EQ(default_n_threads(topology), 3u);
  EXPECT_EQ(worker_cpus(topology, 3, Pinning::cores),
            (std::vector<CpuList>(2, CpuList{33, 34, 99})));
  EXPECT_EQ(worker_cpus(topology, 5, Pinning::fixed),
            (std::vector<CpuList>{{34}, {99}, {97}, {98}}));
}

TEST(CpuTopology, LeavesOutCpusThatAreOffline) {
  const FakeMachine machine;
  two_sockets(machine);
  machine.online("0-3,64-65");

  const CpuTopology topology = machine.read(first_cpus(128));

  EXPECT_EQ(topology.cpus.size(), 6u);
  EXPECT_EQ(topology.n_cores(), 4u);
}

TEST(CpuTopology, TakesOneNodeWhereTheSystemShowsNone) {
  const FakeMachine machine;
  machine.online("0-3");
  machine.cpu(0, "0-1");
  machine.cpu(1, "0-1");
  machine.cpu(2, "2-3");
  machine.cpu(3, "2-3");

  const CpuTopology topology = machine.read({0, 1, 2, 3});

  EXPECT_EQ(topology.nodes(), (CpuList{0}));
  EXPECT_EQ(topology.n_cores(), 2u);
}

TEST(CpuTopology, TakesEveryAllowedCpuWhereFilesAreMissingOrGarbage) {
  const FakeMachine empty;
  EXPECT_EQ(empty.read({0, 5}).n_cores(), 2u);
  EXPECT_EQ(empty.read({}).cpus.size(), 1u);

  const FakeMachine garbage;
  garbage.online(
      "\x7f"
      "ELF");
  garbage.cpu(0, "none");
  garbage.cpu(1, "7-9");                                          // does not name itself
  garbage.write("sys/devices/system/cpu/cpu2/topology/a", "");    // no sibling list
  garbage.write("sys/devices/system/node/online", "0-1,65534");   // nodes that do not exist
  garbage.write("sys/devices/system/node/node1/cpulist", "1-x");  // unreadable
  garbage.write("sys/fs/cgroup/cpu.max", "lots of it");

  const CpuTopology topology = garbage.read({0, 1, 2});

  EXPECT_EQ(topology.cpus, (std::vector<Cpu>{{0, 0, 0}, {1, 1, 0}, {2, 2, 0}}));
  EXPECT_EQ(default_n_threads(topology), 3u);
}

TEST(DefaultThreads, StayWithinTheQuotaOfTheContainer) {
  const FakeMachine machine;
  two_sockets(machine);
  const auto threads_with = [&](const std::string& cpu_max) {
    machine.write("sys/fs/cgroup/cpu.max", cpu_max);
    return default_n_threads(machine.read(first_cpus(128)));
  };

  EXPECT_EQ(threads_with("200000 100000\n"), 2u);
  EXPECT_EQ(threads_with("290000 100000\n"), 2u);  // a third thread would be stopped half the time
  EXPECT_EQ(threads_with("50000 100000\n"), 1u);
  EXPECT_EQ(threads_with("max 100000\n"), 64u);
  EXPECT_EQ(threads_with("9000000 100000\n"), 64u);  // more than there is
}

TEST(WorkerCpus, FixedTakesCoresBeforeSiblingsAndNodesInTurn) {
  const FakeMachine machine;
  two_sockets(machine);
  const CpuTopology topology = machine.read(first_cpus(128));

  EXPECT_EQ(worker_cpus(topology, 5, Pinning::fixed),
            (std::vector<CpuList>{{32}, {1}, {33}, {2}}));  // CPU 0 stays for the caller

  for (const std::size_t n : {64, 128}) {
    const auto cpus = worker_cpus(topology, n, Pinning::fixed);
    ASSERT_EQ(cpus.size(), n - 1);
    std::set<std::uint32_t> taken{0};
    for (std::size_t i = 0; i < cpus.size(); ++i) {
      ASSERT_EQ(cpus[i].size(), 1u);
      EXPECT_TRUE(taken.insert(cpus[i][0]).second) << "CPU " << cpus[i][0] << " twice";
      EXPECT_EQ(cpus[i][0] < 64, i + 1 < 64) << "thread " << i + 1;
    }
  }
}

TEST(WorkerCpus, CoresKeepToOneHardwareThreadOfEach) {
  const FakeMachine machine;
  two_sockets(machine);
  const CpuTopology topology = machine.read(first_cpus(128));

  EXPECT_EQ(worker_cpus(topology, 64, Pinning::cores), std::vector<CpuList>(63, first_cpus(64)));
}

TEST(WorkerCpus, RestrictNothingWhereNothingIsGained) {
  const FakeMachine machine;
  two_sockets(machine);
  const CpuTopology two = machine.read(first_cpus(128));
  const CpuTopology plain = FakeMachine().read({0, 1});  // without second hardware threads

  EXPECT_TRUE(worker_cpus(two, 64, Pinning::none).empty());
  EXPECT_TRUE(worker_cpus(two, 65, Pinning::cores).empty());  // siblings were asked for
  EXPECT_TRUE(worker_cpus(two, 129, Pinning::fixed).empty());
  EXPECT_TRUE(worker_cpus(two, 1, Pinning::fixed).empty());
  EXPECT_TRUE(worker_cpus(plain, 2, Pinning::cores).empty());
  EXPECT_EQ(worker_cpus(plain, 2, Pinning::fixed), (std::vector<CpuList>{{1}}));
}

TEST(Affinity, IsWhatTheSystemThenReports) {
  const CpuList before = affinity();
  ASSERT_FALSE(before.empty());

  CpuList inside;
  int runs_on = -1;
  std::thread([&] {
    if (!set_affinity(::pthread_self(), {before.back()})) return;
    inside = affinity();
    runs_on = ::sched_getcpu();
  }).join();

  EXPECT_EQ(inside, (CpuList{before.back()}));
  EXPECT_EQ(runs_on, static_cast<int>(before.back()));
  EXPECT_EQ(affinity(), before);  // of this thread
  EXPECT_FALSE(set_affinity(::pthread_self(), {}));
}

TEST(CpuTopology, OfThisMachineHoldsTheCpuThisRunsOn) {
  const CpuTopology& topology = cpu_topology();

  EXPECT_EQ(topology.cpus.size(), affinity().size());
  EXPECT_GE(default_n_threads(), 1u);
  EXPECT_LE(default_n_threads(), topology.n_cores());
}

}  // namespace hadal
