// How operators of the CPU backend spread work: tasks over a thread pool.
#pragma once

#include "base/thread_pool.h"
#include "engine/kernels/router/router.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace hadal {

/// Every task computes whole output elements, in the reduction order that the kernel headers fix,
/// so neither the split nor the number of threads can change a bit.
class TaskRunner {
 public:
  TaskRunner(std::size_t n_threads, Pinning pinning)
      : pool_(n_threads, worker_cpus(cpu_topology(), n_threads, pinning)) {}

  std::size_t n_threads() const noexcept { return pool_.size(); }

  /// Calls task(i) for every i < n_tasks. `work` (multiply-adds of all tasks together) says whether
  /// waking the pool pays: below about 10 us everything runs on this thread.
  template <typename F>
  void run(std::size_t n_tasks, std::size_t work, F&& task) {
    constexpr std::size_t kInlineWork = 100'000;
    if (work < kInlineWork) {
      for (std::size_t i = 0; i < n_tasks; ++i) task(i);
    } else {
      pool_.run(n_tasks, std::ref(task));  // a reference fits into std::function without new
    }
  }

  /// Calls f(begin, end) for slices that cover n rows of `width` elements.
  template <typename F>
  void for_rows(std::size_t n, std::size_t width, F&& f) {
    constexpr std::size_t kTaskElements = 16 * 1024;
    const std::size_t step = 1 + kTaskElements / (width + 1);
    run((n + step - 1) / step, 8 * n * width,
        [&](std::size_t task) { f(task * step, std::min(task * step + step, n)); });
  }

  /// Calls f() once on each thread.
  template <typename F>
  void on_every_thread(F&& f) {
    pool_.on_every_thread(std::ref(f));
  }

 private:
  ThreadPool pool_;
};

/// Grows only, so that steps of equal shape do not allocate; the contents are unspecified.
template <typename T>
T* reserve(std::vector<T>& buffer, std::size_t n) {
  if (buffer.size() < n) buffer.resize(n);
  return buffer.data();
}

/// Buffers of the task that runs on this thread; freed when the thread ends.
struct TaskScratch {
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<const float*> pointers;
  RouterScratch router;
};

inline TaskScratch& task_scratch() {
  static thread_local TaskScratch scratch;
  return scratch;
}

}  // namespace hadal
