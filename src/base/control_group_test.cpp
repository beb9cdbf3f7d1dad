#include "base/control_group.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <unistd.h>

namespace hadal {
namespace {

class ControlGroup : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << "\n";
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("hadal-cgroup-" + std::to_string(::getpid()));
};

}  // namespace

TEST_F(ControlGroup, WithoutFilesThereIsNoLimit) {
  EXPECT_FALSE(cpu_quota(root_));
  EXPECT_FALSE(memory_limit_bytes(root_));
}

TEST_F(ControlGroup, TakesTheSmallestLimitOnTheWayUpInVersion2) {
  write("proc/self/cgroup", "0::/a.slice/b.scope");
  write("sys/fs/cgroup/a.slice/cpu.max", "400000 100000");
  write("sys/fs/cgroup/a.slice/memory.max", "1000000");
  write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "150000 100000");
  write("sys/fs/cgroup/a.slice/b.scope/memory.max", "max");
  write("sys/fs/cgroup/other/cpu.max", "10000 100000");

  EXPECT_EQ(cpu_quota(root_), 1.5);
  EXPECT_EQ(memory_limit_bytes(root_), 1'000'000u);
}

TEST_F(ControlGroup, FindsTheHierarchyOfAControllerInVersion1) {
  write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/jobs/7\n3:cpuset:/\n0::/");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");  // no quota here
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/cpu/jobs/7/cpu.cfs_quota_us", "300000");
  write("sys/fs/cgroup/cpu/jobs/7/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");  // no limit here
  write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "5000");

  EXPECT_EQ(cpu_quota(root_), 3.0);
  EXPECT_EQ(memory_limit_bytes(root_), 5000u);
}

TEST_F(ControlGroup, InAContainerTheMountedRootIsItsGroup) {
  write("proc/self/cgroup", "4:cpu:/docker/0123456789ab\n0::/");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");

  EXPECT_EQ(cpu_quota(root_), 2.0);
}

TEST_F(ControlGroup, GarbageIsNoLimit) {
  write("proc/self/cgroup", "no colons\n::\n0::/../../..");
  write("sys/fs/cgroup/cpu.max", "100000 0");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "x");
  write("sys/fs/cgroup/memory.max", "-");

  EXPECT_FALSE(cpu_quota(root_));
  EXPECT_FALSE(memory_limit_bytes(root_));
}

}  // namespace hadal
