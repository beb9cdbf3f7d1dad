// A small pool for data-parallel loops inside operators. What a run costs on two and on 64 cores:
// docs/threads.md.
#pragma once

#include "base/cpu_topology.h"

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
/// not depend on the number of threads). Who waits spins for a short while, then sleeps, so that a
/// busy neighbour on the same cores costs time slices and not minutes. Threads: `run` may be called
/// by one thread at a time. Tasks must not throw and must not call `run`.
class ThreadPool {
 public:
  /// @param worker_cpus  as worker_cpus() gives it: worker i, begun as number i + 1, may run on
  ///                     worker_cpus[i]; no entry: on any CPU of this process. The caller's own
  ///                     mask is left alone. A mask that the system refuses is logged and ignored.
  explicit ThreadPool(std::size_t n_threads, const std::vector<CpuList>& worker_cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const noexcept { return workers_.size() + 1; }
  void run(std::size_t n_tasks, const std::function<void(std::size_t task)>& task);
  /// Calls `task()` exactly once on each thread, the caller included: for what belongs to a thread.
  /// Waits until every worker has woken, so it is for set-up, not for operators.
  void on_every_thread(const std::function<void()>& task);

 private:
  void begin(std::size_t n_tasks, const std::function<void(std::size_t)>& task);
  void wake_workers(int n);
  void take_tasks();
  void wait_for_tasks(std::uint32_t n_tasks);
  void work();

  /// Two cache lines of x86, which fetches them in pairs; one of some ARM machines.
  static constexpr std::size_t kApart = 128;

  std::vector<std::thread> workers_;

  // Written by all threads while they work: each alone, so that none slows another down.
  alignas(kApart) std::atomic<std::int64_t> n_left_{0};   ///< tasks that nobody has taken, if > 0
  alignas(kApart) std::atomic<std::uint32_t> n_done_{0};  ///< tasks; the caller sleeps on it
  alignas(kApart) std::atomic<std::uint32_t> n_sleeping_{0};  ///< workers asleep, or nearly so

  // Written by the caller, some words per run; read by workers.
  alignas(kApart) std::atomic<const std::function<void(std::size_t)>*> task_{nullptr};
  std::atomic<std::uint32_t> n_tasks_{0};
  std::atomic<std::uint32_t> epoch_{0};  ///< changes when there is work; workers sleep on it
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace hadal
