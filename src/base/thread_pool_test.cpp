#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
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

/// Far more threads than CPUs here, as a stand-in for a large machine: workers lose their CPU
/// anywhere, arrive late, sleep while runs begin and end.
TEST(ThreadPool, RunsEveryTaskOnceWith64Threads) {
  constexpr std::size_t kRounds = 2000;
  constexpr std::size_t kMostTasks = 200;
  std::vector<std::vector<std::atomic<int>>> n_runs(kRounds);
  std::atomic<std::size_t> current{0};
  std::atomic<std::size_t> n_stale{0};
  std::vector<std::function<void(std::size_t)>> tasks(kRounds);  // one function object per run
  for (std::size_t round = 0; round < kRounds; ++round) {
    n_runs[round] = std::vector<std::atomic<int>>(1 + round * 37 % kMostTasks);
    tasks[round] = [&, round](std::size_t i) {
      if (round != current || i >= n_runs[round].size()) {
        ++n_stale;  // a thread that mixes the fields of two runs
      } else {
        ++n_runs[round][i];
      }
    };
  }

  ThreadPool pool(64);
  for (std::size_t round = 0; round < kRounds; ++round) {
    current = round;
    pool.run(n_runs[round].size(), tasks[round]);
    for (std::size_t i = 0; i < n_runs[round].size(); ++i)
      ASSERT_EQ(n_runs[round][i].load(), 1) << "round " << round << ", task " << i;
    if (round % 200 == 199)  // everybody falls asleep: the next run has to wake them
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(n_stale, 0u);
}

TEST(ThreadPool, CallerSeesWhatTasksWrote) {
  ThreadPool pool(16);
  std::vector<std::size_t> plain(1000);  // no atomics: run() itself must order these writes
  for (std::size_t round = 0; round < 500; ++round) {
    pool.run(plain.size(), [&](std::size_t i) { plain[i] += i; });
    for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_EQ(plain[i], (round + 1) * i);
  }
}

TEST(ThreadPool, CallerSleepsUntilTheLastTaskEnds) {
  ThreadPool pool(4);
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> n_begun_by_workers{0};
    std::atomic<int> n_ended{0};
    pool.run(8, [&](std::size_t) {
      if (std::this_thread::get_id() == caller) {
        while (n_begun_by_workers == 0) std::this_thread::yield();
      } else {
        ++n_begun_by_workers;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // 40 times what it spins
      }
      ++n_ended;
    });
    ASSERT_EQ(n_ended.load(), 8) << "round " << round;
  }
}

TEST(ThreadPool, WorkersKeepToTheirCpus) {
  const CpuList before = affinity();
  const std::vector<CpuList> cpus = {{before.back()}, before};
  ThreadPool pool(4, cpus);  // the third worker runs anywhere

  std::mutex mutex;
  std::multiset<CpuList> masks;
  pool.on_every_thread([&] {
    const std::scoped_lock lock(mutex);
    masks.insert(affinity());
  });

  EXPECT_EQ(masks, (std::multiset<CpuList>{{before.back()}, before, before, before}));
  EXPECT_EQ(affinity(), before);  // the caller's own
}

TEST(ThreadPool, OnEveryThreadRunsOnceOnEach) {
  ThreadPool pool(5);
  for (int round = 0; round < 50; ++round) {
    if (round % 10 == 9)  // everybody falls asleep
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
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
