#include "base/thread_pool.h"

#include "base/check.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/thread_name.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

/// Some 25-100 us, by the length of a pause: longer than the gap between two operators of a decode
/// step.
constexpr int kSpins = 2000;
/// Then the caller lets others run for a time before it sleeps: the last task of a run may take as
/// long. Sleeping at once cost 4 % of decode speed (two threads, medians of eight interleaved
/// runs).
constexpr auto kYieldTime = std::chrono::microseconds(500);

/// Each woken worker wakes so many more: 63 sleepers take six steps instead of 63 wake-ups by the
/// caller, who can begin to work.
constexpr int kWakes = 2;

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(std::size_t n_threads, const std::vector<CpuList>& worker_cpus) {
  for (std::size_t i = 0; i + 1 < n_threads; ++i) {
    std::thread& worker = workers_.emplace_back([this] {
      name_this_thread("worker");
      work();
    });
    if (i < worker_cpus.size() && !set_affinity(worker.native_handle(), worker_cpus[i]))
      log_warning("threads", "worker {}: the system refuses its CPU mask; it runs anywhere", i);
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  wake_workers(kEverySleeper);
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(std::size_t n_tasks, const std::function<void(std::size_t)>& task) {
  if (workers_.empty() || n_tasks <= 1) {
    for (std::size_t i = 0; i < n_tasks; ++i) task(i);
    return;
  }
  begin(n_tasks, task);
  wake_workers(kWakes);
  take_tasks();
  wait_for_tasks(static_cast<std::uint32_t>(n_tasks));
}

void ThreadPool::on_every_thread(const std::function<void()>& task) {
  std::atomic<std::size_t> n_begun{0};
  const std::function<void(std::size_t)> once = [&](std::size_t) {
    task();
    n_begun.fetch_add(1);  // nobody takes a second one before everybody has taken one
    while (n_begun.load() < size()) std::this_thread::yield();
  };
  begin(size(), once);
  wake_workers(kEverySleeper);
  take_tasks();
  wait_for_tasks(static_cast<std::uint32_t>(size()));
}

/// Nobody has a task of the last run any more, so nobody reads what is written here until n_left_
/// says that there are tasks; a late worker that still counts the last run down is overwritten.
void ThreadPool::begin(std::size_t n_tasks, const std::function<void(std::size_t)>& task) {
  HADAL_CHECK(n_tasks < std::numeric_limits<std::uint32_t>::max(), "tasks are counted in 32 bits");
  task_.store(&task, std::memory_order_relaxed);
  n_tasks_.store(static_cast<std::uint32_t>(n_tasks), std::memory_order_relaxed);
  n_done_.store(0, std::memory_order_relaxed);
  n_left_.store(static_cast<std::int64_t>(n_tasks), std::memory_order_release);
}

void ThreadPool::wake_workers(int n) {
  epoch_.fetch_add(1);  // then look for sleepers; they announce themselves, then look at epoch_
  if (n_sleeping_.load() != 0) futex_wake(epoch_, n);
}

/// One atomic operation per task, and one more for all that this thread has done.
void ThreadPool::take_tasks() {
  std::uint32_t n_mine = 0;
  while (n_left_.load(std::memory_order_relaxed) > 0) {
    const std::int64_t left = n_left_.fetch_sub(1, std::memory_order_acquire);
    if (left <= 0) break;
    // A task is mine: its run cannot end before it is done, so the fields are those of its run.
    const std::int64_t n_tasks = n_tasks_.load(std::memory_order_relaxed);
    (*task_.load(std::memory_order_relaxed))(static_cast<std::size_t>(n_tasks - left));
    ++n_mine;
  }
  if (n_mine == 0) return;
  const std::uint32_t n_tasks = n_tasks_.load(std::memory_order_relaxed);
  const bool is_last = n_done_.fetch_add(n_mine) + n_mine == n_tasks;
  if (is_last && caller_sleeps_.load()) futex_wake(n_done_, 1);
}

void ThreadPool::wait_for_tasks(std::uint32_t n_tasks) {
  const auto is_done = [&] { return n_done_.load(std::memory_order_acquire) == n_tasks; };
  for (int spins = 0; spins < kSpins; ++spins) {
    if (is_done()) return;
    pause();
  }
  for (const auto begun = Clock::now(); Clock::now() - begun < kYieldTime;) {
    if (is_done()) return;
    std::this_thread::yield();
  }
  caller_sleeps_.store(true);
  for (std::uint32_t done; (done = n_done_.load()) != n_tasks;) futex_wait(n_done_, done);
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

void ThreadPool::work() {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spins = 0; spins < kSpins && epoch_.load(std::memory_order_acquire) == seen; ++spins)
      pause();
    if (epoch_.load() == seen) {
      n_sleeping_.fetch_add(1);
      futex_wait(epoch_, seen);
      n_sleeping_.fetch_sub(1);
      if (epoch_.load() != seen && n_sleeping_.load() != 0) futex_wake(epoch_, kWakes);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    take_tasks();
  }
}

}  // namespace hadal
