#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <mutex>
#include <numeric>
#include <set>

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

TEST(ThreadPool, OnEveryThreadRunsOnceOnEach) {
  ThreadPool pool(5);
  for (int round = 0; round < 50; ++round) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::size_t n_calls = 0;
    pool.on_every_thread([&] {
      const std::scoped_lock lock(mutex);
      threads.insert(std::this_thread::get_id());
      ++n_calls;
    });
    ASSERT_EQ(n_calls, 5u);
    ASSERT_EQ(threads.size(), 5u);
  }
}

}  // namespace hadal
