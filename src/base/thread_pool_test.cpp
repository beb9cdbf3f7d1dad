#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace hadal {

TEST(ThreadPool, RunsEveryTaskExactlyOnce) {
  for (std::size_t n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    for (std::size_t n_tasks : {0, 1, 2, 7, 1000}) {
      std::vector<int> runs(n_tasks, 0);
      pool.run(n_tasks, [&](std::size_t i) { ++runs[i]; });
      for (std::size_t i = 0; i < n_tasks; ++i)
        ASSERT_EQ(runs[i], 1) << "task " << i << " of " << n_tasks;
    }
  }
}

TEST(ThreadPool, SurvivesManyShortRuns) {
  ThreadPool pool(4);
  std::atomic<long> sum{0};
  for (int round = 0; round < 20000; ++round)
    pool.run(3, [&](std::size_t i) { sum += static_cast<long>(i); });
  EXPECT_EQ(sum.load(), 20000L * 3);
}

}  // namespace hadal
