// A small pool for data-parallel loops inside operators.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hadal {

/// Runs `task(i)` for i in [0, n_tasks) on `n_threads` threads, the caller included, and returns
/// when all are done. Which thread runs which task is unspecified, so a task must compute its
/// outputs alone (promise 2: results do not depend on the number of threads). Workers spin for a
/// short while, then sleep, so that a busy neighbour on the same cores costs time slices and not
/// minutes. Threads: `run` may be called by one thread at a time. Tasks must not throw and must not
/// call `run`.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const noexcept { return workers_.size() + 1; }
  void run(std::size_t n_tasks, const std::function<void(std::size_t task)>& task);

 private:
  void work();
  void take_tasks();

  std::vector<std::thread> workers_;
  const std::function<void(std::size_t)>* task_ = nullptr;
  std::size_t n_tasks_ = 0;
  std::atomic<std::size_t> next_task_{0};
  std::atomic<std::size_t> n_busy_{0};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

/// Number of CPUs this process may run on (respects affinity masks); at least 1.
std::size_t n_available_cpus();

}  // namespace hadal
