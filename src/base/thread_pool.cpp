#include "base/thread_pool.h"

#include "base/check.h"

#include <algorithm>

#include <sched.h>

namespace hadal {
namespace {

constexpr int kSpins =
    2000;  // about 20-50 us: longer than the gap between two operators of a decode step

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(std::size_t n_threads) {
  for (std::size_t i = 1; i < n_threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  wake_workers();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(std::size_t n_tasks, const std::function<void(std::size_t)>& task) {
  if (workers_.empty() || n_tasks <= 1) {
    for (std::size_t i = 0; i < n_tasks; ++i) task(i);
    return;
  }
  HADAL_CHECK(n_tasks < kClosed, "tasks are numbered in 32 bits");
  const std::uint64_t run = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(run << 32 | kClosed);  // before the fields change
  task_.store(&task, std::memory_order_relaxed);
  n_tasks_.store(n_tasks, std::memory_order_relaxed);
  n_done_.store(0, std::memory_order_relaxed);
  ticket_.store(run << 32);
  wake_workers();
  take_tasks();
  for (int spins = 0; n_done_.load(std::memory_order_acquire) != n_tasks; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::on_every_thread(const std::function<void()>& task) {
  std::atomic<std::size_t> n_begun{0};
  run(size(), [&](std::size_t) {
    task();
    n_begun.fetch_add(1);  // nobody takes a second one before everybody has taken one
    while (n_begun.load() < size()) std::this_thread::yield();
  });
}

void ThreadPool::wake_workers() {
  epoch_.fetch_add(1);
  if (n_sleeping_.load() != 0) epoch_.notify_all();
}

void ThreadPool::take_tasks() {
  for (;;) {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    const std::size_t i = ticket & kClosed;
    if (i >= n_tasks_.load(std::memory_order_relaxed)) return;
    const auto* task = task_.load(std::memory_order_relaxed);
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
    (*task)(i);
    n_done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadPool::work() {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spins = 0; spins < kSpins && epoch_.load(std::memory_order_acquire) == seen; ++spins)
      pause();
    if (epoch_.load() == seen) {
      n_sleeping_.fetch_add(1);
      epoch_.wait(seen);
      n_sleeping_.fetch_sub(1);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    take_tasks();
  }
}

std::size_t n_available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace hadal
