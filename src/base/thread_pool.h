// A small pool for data-parallel loops inside operators.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace hadal {

/// Runs `task(i)` for i in [0, n_tasks) on `n_threads` threads, the caller included, and returns
/// when all tasks are done; a worker that is still asleep by then is not waited for. Which thread
/// runs which task is unspecified, so a task must compute its outputs alone (promise 2: results do
/// not depend on the number of threads). Workers spin for a short while, then sleep, so that a busy
/// neighbour on the same cores costs time slices and not minutes. Threads: `run` may be called by
/// one thread at a time. Tasks must not throw and must not call `run`.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const noexcept { return workers_.size() + 1; }
  void run(std::size_t n_tasks, const std::function<void(std::size_t task)>& task);
  /// Calls `task()` exactly once on each thread, the caller included: for what belongs to a thread.
  /// Waits until every worker has woken, so it is for set-up, not for operators.
  void on_every_thread(const std::function<void()>& task);

 private:
  void work();
  void take_tasks();
  void wake_workers();

  static constexpr std::uint64_t kClosed = 0xFFFFFFFF;

  std::vector<std::thread> workers_;
  /// High half: number of the current run; low half: its next task, kClosed between two runs. A
  /// task is taken by compare-exchange, so never with the fields of another run.
  alignas(64) std::atomic<std::uint64_t> ticket_{kClosed};
  alignas(64) std::atomic<std::size_t> n_done_{0};
  alignas(64) std::atomic<const std::function<void(std::size_t)>*> task_{nullptr};
  std::atomic<std::size_t> n_tasks_{0};
  std::atomic<std::uint32_t> epoch_{0};  ///< changes when there is something to do; sleepers wait
                                         ///< on it
  std::atomic<std::uint32_t> n_sleeping_{0};
  std::atomic<bool> stop_{false};
};

/// Number of CPUs this process may run on (respects affinity masks); at least 1.
std::size_t n_available_cpus();

}  // namespace hadal
