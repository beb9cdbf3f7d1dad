// Whose tokens are computed when (serving.md section 4): one engine thread that owns the batch, the
// states of sequences and their snapshots.
#pragma once

#include "engine/batch.h"
#include "serve/fair_share.h"
#include "serve/histogram.h"
#include "serve/job.h"
#include "serve/prefix_cache.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hadal {

struct SchedulerOptions {
  std::size_t n_slots = 4;      ///< sequences computed at the same time
  std::size_t max_queue = 256;  ///< jobs that wait; more are refused
  std::size_t state_bytes = 0;  ///< of running sequences and snapshots together; > 0
  std::size_t max_batch_tokens = 512;
  double max_stall_seconds = 0.2;        ///< that prompts may keep others from their next token
  std::size_t snapshot_interval = 2048;  ///< tokens, within long messages
  SnapshotStore* snapshots = nullptr;    ///< on disk; null: in memory alone. Outlives the scheduler
};

/// A moment's picture, for /slots, /metrics and the monitor page.
struct SchedulerState {
  struct Slot {
    std::uint64_t job = 0;  ///< 0: free
    std::string client;
    std::size_t n_prompt = 0, n_prompt_done = 0, n_decoded = 0, max_tokens = 0;
  };
  std::vector<Slot> slots;
  std::size_t n_waiting = 0;
  std::size_t page_bytes = 0, snapshot_bytes = 0, state_limit = 0;
  std::size_t n_snapshots = 0, n_evicted = 0;
};

/// Sums since the start.
struct SchedulerTotals {
  std::uint64_t n_passes = 0, n_prompt_tokens = 0, n_decoded_tokens = 0;
  std::uint64_t n_sequences_in_passes = 0;
  std::uint64_t n_preemptions = 0;
  double busy_seconds = 0;
  double prefill_seconds = 0, decode_seconds = 0;  ///< of passes with and without prompt tokens
  Histogram pass_tokens{{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}};
};

class Scheduler {
 public:
  using JobId = std::uint64_t;

  /// `model` must outlive the scheduler, whose thread alone uses it from now on.
  Scheduler(Model& model, const SchedulerOptions& options);
  /// Cancels what is left.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Queues a job; its listener hears the rest. Errors: out_of_memory (the queue is full: try
  /// later), invalid_argument (its prompt alone needs more state than there can be), unsupported
  /// (draining). Any thread. An answer that outgrows the state on its own ends as at its limit.
  Result<JobId> submit(Job job);
  /// Ends a job before its next pass; unknown ids are ignored. Any thread.
  void cancel(JobId id);
  /// Has `work` done on the engine's thread, before a pass that waits for it; one piece of all that
  /// is asked for before each pass, in order. False when the scheduler ends: it will not be done.
  /// Any thread.
  bool between_passes(std::function<void()> work);
  /// Takes no new jobs, and waits until the others and the work between passes have ended or
  /// `seconds` are over; cancels the rest. Any thread but the engine's.
  void drain(double seconds);
  /// Cancels what is left and ends the engine's thread: when this returns, it has called the last
  /// listener, and what its work held is gone. Any thread but the engine's, one at a time.
  void stop();

  SchedulerState state() const;    ///< any thread
  SchedulerTotals totals() const;  ///< any thread

 private:
  struct Task;
  using Clock = std::chrono::steady_clock;

  void loop();
  bool take_inbox();
  void do_side_work();
  void apply_cancels();
  void admit();
  Task* next_to_admit();
  bool fits(const Task& task) const;
  std::size_t taken_bytes() const;
  void start(std::unique_ptr<Task> task);
  GenerationRequest request_of(Task& task, std::size_t n_restored);
  std::vector<std::size_t> marks_of(const Task& task, std::size_t n_restored) const;
  Batch::Limits limits();
  void learn(const Batch::Pass& pass);
  void tell_progress();
  void collect_ended();
  void preempt_if_short();
  void end_if_too_large();
  void preempt(Task& task);
  void keep_snapshot(const Task& task);
  void end(Task& task, const Generation& generation);
  void publish();

  Model& model_;
  SchedulerOptions options_;
  SequenceState empty_;  ///< what every sequence begins with

  // Shared with callers:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Task>> inbox_;
  std::vector<JobId> cancels_;
  std::deque<std::function<void()>> side_work_;
  bool in_side_work_ = false;
  std::size_t n_unfinished_ = 0;
  JobId last_id_ = 0;
  bool draining_ = false;
  bool stopping_ = false;
  SchedulerState state_;
  SchedulerTotals totals_;

  // Of the engine's thread:
  Batch batch_;
  PrefixCache cache_;
  std::vector<std::unique_ptr<Task>> waiting_;
  std::vector<std::unique_ptr<Task>> running_;
  FairShare clients_;
  std::vector<Batch::Slot> prompt_order_;
  double seconds_per_token_ = 0;  ///< of a pass, smoothed

  std::thread thread_;  ///< last: runs as soon as it is made
};

}  // namespace hadal
