#include "serve/scheduler.h"

#include "base/check.h"
#include "base/seconds.h"
#include "base/thread_name.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <tuple>
#include <utility>

namespace hadal {
namespace {

/// Tokens of an answer that count when a job is admitted: few answers use up their limit. One that
/// grows beyond takes state as it comes, and the youngest goes back to the queue when that is
/// short.
constexpr std::size_t kExpectedAnswer = 1024;
/// Snapshots nearer to each other than this cost more passes than they can save.
constexpr std::size_t kMinSnapshotDistance = 256;
/// Least prompt tokens in a pass, however slow the machine is.
constexpr std::size_t kMinPromptChunk = 16;
/// Texts that the cache remembers beyond their snapshots, as tokens.
constexpr std::size_t kMaxRememberedTokens = 16 << 20;
/// Weight of the newest pass in the smoothed speed.
constexpr double kNewest = 0.2;

double mebibytes(std::size_t n_bytes) {
  return static_cast<double>(n_bytes) / (1 << 20);
}

}  // namespace

/// A job on its way.
struct Scheduler::Task {
  JobId id = 0;
  Job job;
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> started{}, first_token{};
  /// Prompt, then what was said. The state has processed all but the last of them, once it decodes.
  std::vector<std::int32_t> tokens{};
  std::size_t n_said = 0;
  std::optional<SequenceState> state{};
  Batch::Slot slot = 0;
  std::size_t n_restored = 0;  ///< of `tokens`, when it took its slot last
  std::size_t n_reserved = 0;  ///< tokens for which it took pages then
  std::size_t n_told = 0;      ///< of the prompt, by on_prefill
  std::size_t n_scored = 0;    ///< of the prompt, by on_prompt_token
  bool was_passed = false;     ///< by a shorter prompt: happens once
  bool is_cancelled = false;
  JobEnd end{};

  std::size_t n_prompt() const { return job.prompt.size(); }
  std::size_t most_tokens() const { return job.max_tokens == 0 ? 1 : job.max_tokens; }
  /// That it is likely to have in the end.
  std::size_t n_expected() const {
    return tokens.size() + std::min(most_tokens() - n_said, kExpectedAnswer);
  }
};

Scheduler::Scheduler(Model& model, const SchedulerOptions& options)
    : model_(model),
      options_(options),
      empty_(model.new_sequence()),
      batch_(model),
      cache_(
          {.max_bytes = options.state_bytes, .max_tokens = kMaxRememberedTokens},
          [this] { return taken_bytes(); },
          {.store = options.snapshots, .new_sequence = [&model] { return model.new_sequence(); }}) {
  HADAL_CHECK(options_.state_bytes > 0 && options_.n_slots > 0, "a server has room for a sequence");
  state_.slots.resize(options_.n_slots);
  state_.state_limit = options_.state_bytes;
  thread_ = std::thread([this] { loop(); });
}

Scheduler::~Scheduler() {
  stop();
}

void Scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = draining_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<Scheduler::JobId> Scheduler::submit(Job job) {
  HADAL_CHECK(job.listener != nullptr, "somebody hears of the end");
  const std::lock_guard lock(mutex_);
  if (draining_) return error(ErrorCode::unsupported, "the server is shutting down");
  if (n_unfinished_ >= options_.max_queue + options_.n_slots) {
    return error(ErrorCode::out_of_memory, "{} requests wait already; try again later",
                 n_unfinished_);
  }
  // What waited for room that can never be would hold up all others.
  const std::size_t n_bytes = empty_.bytes_at(job.prompt.size());
  if (n_bytes > options_.state_bytes) {
    return error(ErrorCode::invalid_argument,
                 "the {} tokens of the prompt need {:.1f} MiB of state, and this server has {:.1f} "
                 "MiB for that (--state-mib)",
                 job.prompt.size(), mebibytes(n_bytes), mebibytes(options_.state_bytes));
  }
  auto task = std::make_unique<Task>();
  task->id = ++last_id_;
  task->tokens = job.prompt;
  task->job = std::move(job);
  inbox_.push_back(std::move(task));
  ++n_unfinished_;
  changed_.notify_all();
  return last_id_;
}

void Scheduler::cancel(JobId id) {
  const std::lock_guard lock(mutex_);
  cancels_.push_back(id);
  changed_.notify_all();
}

bool Scheduler::between_passes(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (draining_) return false;
  side_work_.push_back(std::move(work));
  changed_.notify_all();
  return true;
}

void Scheduler::drain(double seconds) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto done = [&] { return n_unfinished_ == 0 && side_work_.empty() && !in_side_work_; };
  if (changed_.wait_for(lock, std::chrono::duration<double>(seconds), done)) return;
  stopping_ = true;
  changed_.notify_all();
  changed_.wait(lock, done);
}

SchedulerState Scheduler::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

SchedulerTotals Scheduler::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void Scheduler::loop() {
  name_this_thread("engine");
  while (take_inbox()) {
    do_side_work();
    apply_cancels();
    admit();
    const Batch::Pass pass = batch_.step(limits());
    learn(pass);
    tell_progress();
    collect_ended();
    preempt_if_short();
    clients_.forget();
    publish();
  }
  for (auto* tasks : {&running_, &waiting_})
    for (auto& task : *tasks) task->is_cancelled = true;
  apply_cancels();
  publish();
  // What work holds may be the engine thread's alone, as the states of sequences are.
  std::unique_lock lock(mutex_);
  auto undone = std::exchange(side_work_, {});
  in_side_work_ = true;
  lock.unlock();
  undone.clear();
  lock.lock();
  in_side_work_ = false;
  changed_.notify_all();
}

/// Waits while there is nothing to do. False: the end.
bool Scheduler::take_inbox() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return stopping_ || !inbox_.empty() || !cancels_.empty() || !side_work_.empty() ||
           !running_.empty() || !waiting_.empty();
  });
  for (auto& task : inbox_) {
    clients_.arrive(task->job.client);
    waiting_.push_back(std::move(task));
  }
  inbox_.clear();
  for (const JobId id : cancels_) {
    for (auto* tasks : {&running_, &waiting_})
      for (auto& task : *tasks) task->is_cancelled |= task->id == id;
  }
  cancels_.clear();
  return !stopping_;
}

/// One piece: however many ask for it, running answers get their next token after each.
void Scheduler::do_side_work() {
  std::unique_lock lock(mutex_);
  if (side_work_.empty()) return;
  auto work = std::move(side_work_.front());
  side_work_.pop_front();
  in_side_work_ = true;
  lock.unlock();
  work();
  work = nullptr;  // with what it holds, before anybody takes it for done
  lock.lock();
  in_side_work_ = false;
  changed_.notify_all();
}

void Scheduler::apply_cancels() {
  for (auto& task : running_) {
    if (!task->is_cancelled) continue;
    const Generation generation = batch_.remove(task->slot);
    keep_snapshot(*task);
    end(*task, generation);
    task = nullptr;
  }
  std::erase(running_, nullptr);
  for (auto& task : waiting_) {
    if (!task->is_cancelled) continue;
    end(*task, {.tokens = {}, .stop_reason = StopReason::cancelled});
    task = nullptr;
  }
  std::erase(waiting_, nullptr);
}

/// Clients with fewest running jobs first, then those that were served least, then arrival.
Scheduler::Task* Scheduler::next_to_admit() {
  const auto key = [&](const Task& task) {
    const auto n_running = std::count_if(running_.begin(), running_.end(), [&](const auto& other) {
      return other->job.client == task.job.client;
    });
    return std::tuple(n_running, clients_.served(task.job.client), task.id);
  };
  const auto first =
      std::min_element(waiting_.begin(), waiting_.end(),
                       [&](const auto& a, const auto& b) { return key(*a) < key(*b); });
  return first == waiting_.end() ? nullptr : first->get();
}

/// Whether there is state for it beside the running ones; snapshots give way.
bool Scheduler::fits(const Task& task) const {
  if (running_.empty()) return true;
  std::size_t total = empty_.bytes_at(task.n_expected());
  for (const auto& other : running_)
    total += empty_.bytes_at(std::max(other->tokens.size(), other->n_reserved));
  return total <= options_.state_bytes;
}

/// Of pages, whoever holds them, and of running sequences beside those: what snapshots leave room
/// for.
std::size_t Scheduler::taken_bytes() const {
  return model_.page_bytes() + running_.size() * empty_.tail_bytes();
}

void Scheduler::admit() {
  while (running_.size() < options_.n_slots) {
    Task* task = next_to_admit();
    if (task == nullptr || !fits(*task)) return;
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const auto& other) { return other.get() == task; });
    auto owned = std::move(*at);
    waiting_.erase(at);
    start(std::move(owned));
  }
}

void Scheduler::start(std::unique_ptr<Task> task) {
  const bool is_first = !task->started;
  if (is_first) task->started = Clock::now();
  PrefixMatch match;
  if (task->job.uses_cache && !task->job.scores_prompt)
    match = cache_.find(task->tokens, task->tokens.size() - 1);
  task->n_restored = match.n_restored();
  task->n_reserved = task->n_expected();
  task->state.emplace(match.state ? match.state->clone() : empty_.clone());
  if (is_first) {
    PrefixUse& use = task->end.prefix;
    const std::size_t n_known =
        std::max(std::min(match.n_known, task->n_prompt()), task->n_restored);
    use.n_restored = task->n_restored;
    use.from_disk = match.from_disk;
    use.n_repeated = n_known - use.n_restored;
    use.n_new = task->n_prompt() - n_known;
    const auto& ends = task->job.boundaries;
    use.diverged_at = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), n_known) -
                                               ends.begin());
    use.miss = !task->job.uses_cache || task->job.scores_prompt ? PrefixMiss::disabled
               : n_known == 0                                   ? PrefixMiss::cold
               : match.was_evicted                              ? PrefixMiss::evicted
               : use.n_new > 1 && use.n_repeated > 0            ? PrefixMiss::diverged
                                                                : PrefixMiss::none;
    task->job.listener->on_start(use);
    task->end.times.queued_seconds = seconds_between(task->submitted, *task->started);
  }
  auto slot = batch_.add(request_of(*task, task->n_restored));
  if (!slot) {
    task->end.outcome = JobOutcome::refused;
    task->end.error = slot.error();
    return end(*task, {});
  }
  task->slot = *slot;
  running_.push_back(std::move(task));
}

GenerationRequest Scheduler::request_of(Task& task, std::size_t n_restored) {
  const auto cut = task.tokens.begin() + static_cast<std::ptrdiff_t>(n_restored);
  GenerationRequest request;
  request.state = &*task.state;
  request.history.assign(task.tokens.begin(), cut);
  request.prompt.assign(cut, task.tokens.end());
  request.sampling = task.job.sampling;
  request.max_tokens = task.most_tokens() - task.n_said;
  request.stop_tokens = task.job.stop_tokens;
  request.n_drafts = model_.has_mtp() ? task.job.n_drafts : 0;
  request.drafts_must_pay = true;
  request.allowed = task.job.allowed;
  request.n_answered = task.n_said;
  request.n_reserved = kExpectedAnswer;
  request.marks = marks_of(task, n_restored);
  request.on_mark = [this, &task, n_restored](std::size_t n) {
    const std::size_t n_tokens = n_restored + n;
    const bool is_last = n_tokens + 1 == task.n_prompt();
    const bool at_boundary =
        std::binary_search(task.job.boundaries.begin(), task.job.boundaries.end(), n_tokens);
    cache_.insert(std::span(task.tokens).first(n_tokens), *task.state,
                  is_last       ? SnapshotKind::turn
                  : at_boundary ? SnapshotKind::boundary
                                : SnapshotKind::interval);
  };
  if (task.job.scores_prompt && task.n_said == 0) {
    // After a preemption the prompt is read from its beginning; what was told is told.
    request.on_prompt_token = [&task, n = std::size_t{0}](const TokenChoice& choice) mutable {
      if (n++ < task.n_scored) return;
      ++task.n_scored;
      task.job.listener->on_prompt_token(choice);
    };
  }
  request.on_token = [&task](const TokenChoice& choice) {
    if (!task.first_token) task.first_token = Clock::now();
    task.tokens.push_back(choice.token);
    ++task.n_said;
    return task.job.max_tokens == 0 || task.job.listener->on_token(choice);
  };
  return request;
}

/// Where passes over the rest of the prompt end, so that a snapshot can be taken there: just before
/// the last token (it opens or skips the reasoning, so the next turn's prompt parts from this one
/// there), at boundaries, and at intervals in between.
std::vector<std::size_t> Scheduler::marks_of(const Task& task, std::size_t n_restored) const {
  if (!task.job.uses_cache || task.n_prompt() < 2) return {};
  const std::size_t last = task.n_prompt() - 1;
  std::vector<std::size_t> marks;
  std::size_t previous = n_restored;
  const auto mark_at = [&](std::size_t n) {
    marks.push_back(n - n_restored);
    previous = n;
  };
  for (const std::size_t boundary : task.job.boundaries) {
    while (boundary > previous + options_.snapshot_interval &&
           last > previous + options_.snapshot_interval)
      mark_at(previous + options_.snapshot_interval);
    if (boundary < previous + kMinSnapshotDistance || boundary + kMinSnapshotDistance > last)
      continue;
    mark_at(boundary);
  }
  while (last > previous + options_.snapshot_interval)
    mark_at(previous + options_.snapshot_interval);
  if (last > previous) mark_at(last);
  return marks;
}

Batch::Limits Scheduler::limits() {
  std::vector<Task*> reading;
  bool decodes = false;
  for (const auto& task : running_) {
    if (batch_.in_prefill(task->slot)) {
      reading.push_back(task.get());
    } else {
      decodes = true;
    }
  }
  std::sort(reading.begin(), reading.end(), [&](const Task* a, const Task* b) {
    const auto key = [&](const Task& t) { return std::tuple(clients_.served(t.job.client), t.id); };
    return key(*a) < key(*b);
  });
  std::size_t n_prompt_tokens = options_.max_batch_tokens;
  if (decodes && seconds_per_token_ > 0) {
    const double most = options_.max_stall_seconds / seconds_per_token_;
    n_prompt_tokens = std::clamp(static_cast<std::size_t>(std::min(most, 1e6)), kMinPromptChunk,
                                 options_.max_batch_tokens);
  }
  // A prompt that ends within one pass may go first, but each long one waits for that only once.
  const auto left = [&](const Task& t) {
    return t.tokens.size() - t.n_restored - batch_.n_prompt_done(t.slot);
  };
  if (reading.size() > 1 && left(*reading.front()) > n_prompt_tokens &&
      !reading.front()->was_passed) {
    const auto quick = std::find_if(reading.begin(), reading.end(),
                                    [&](const Task* t) { return left(*t) <= n_prompt_tokens; });
    if (quick != reading.end()) {
      reading.front()->was_passed = true;
      std::rotate(reading.begin(), quick, quick + 1);
    }
  }
  prompt_order_.clear();
  for (const Task* task : reading) prompt_order_.push_back(task->slot);
  return {.max_tokens = std::max(options_.max_batch_tokens, running_.size()),
          .max_prompt_tokens = n_prompt_tokens,
          .prompt_order = prompt_order_};
}

void Scheduler::learn(const Batch::Pass& pass) {
  if (pass.n_sequences == 0) return;
  if (pass.n_prompt_tokens >= kMinPromptChunk) {
    const double now = pass.seconds / static_cast<double>(pass.n_prompt_tokens + pass.n_decoded);
    seconds_per_token_ =
        seconds_per_token_ == 0 ? now : (1 - kNewest) * seconds_per_token_ + kNewest * now;
  }
  const std::lock_guard lock(mutex_);
  ++totals_.n_passes;
  totals_.n_prompt_tokens += pass.n_prompt_tokens;
  totals_.n_decoded_tokens += pass.n_decoded;
  totals_.n_sequences_in_passes += pass.n_sequences;
  totals_.pass_tokens.observe(static_cast<double>(pass.n_prompt_tokens + pass.n_decoded));
  totals_.busy_seconds += pass.seconds;
  (pass.n_prompt_tokens > 0 ? totals_.prefill_seconds : totals_.decode_seconds) += pass.seconds;
}

void Scheduler::tell_progress() {
  for (const auto& task : running_) {
    // Nobody pays for tokens that were restored: they cost no pass.
    const std::size_t n_paid = std::max(task->n_told, task->n_restored);
    if (task->n_said > 0) {  // and with the first one the rest of the prompt
      clients_.charge(task->job.client, 1 + task->n_prompt() - std::min(task->n_prompt(), n_paid));
      task->n_told = task->n_prompt();
      continue;
    }
    const std::size_t done =
        std::min(task->n_restored + batch_.n_prompt_done(task->slot), task->n_prompt());
    if (done <= task->n_told) continue;  // less after a preemption: read again, told already
    clients_.charge(task->job.client, done - std::min(done, n_paid));
    task->n_told = done;
    task->job.listener->on_prefill(done, task->n_prompt());
  }
}

void Scheduler::collect_ended() {
  for (auto& task : running_) {
    if (!batch_.has_ended(task->slot)) continue;
    const Generation generation = batch_.remove(task->slot);
    keep_snapshot(*task);
    end(*task, generation);
    task = nullptr;
  }
  std::erase(running_, nullptr);
}

/// What the state has processed is where the next turn of the conversation goes on.
void Scheduler::keep_snapshot(const Task& task) {
  const std::size_t n = task.state->n_tokens();
  if (!task.job.uses_cache || n == 0 || n > task.tokens.size()) return;
  cache_.insert(std::span(task.tokens).first(n), *task.state, SnapshotKind::turn);
}

void Scheduler::preempt_if_short() {
  cache_.shrink();  // counts what runs: no snapshot is left when that alone is too much
  while (running_.size() > 1 && taken_bytes() > options_.state_bytes) {
    const auto youngest =
        std::max_element(running_.begin(), running_.end(),
                         [](const auto& a, const auto& b) { return a->id < b->id; });
    auto task = std::move(*youngest);
    running_.erase(youngest);
    preempt(*task);
    waiting_.push_back(std::move(task));
  }
  if (running_.size() == 1 && taken_bytes() > options_.state_bytes) end_if_too_large();
}

/// A sequence that has all the state there is goes no further. (Its prompt had room.)
void Scheduler::end_if_too_large() {
  Task& task = *running_.front();
  if (task.n_said == 0 || task.state->bytes() <= options_.state_bytes) return;
  Generation generation = batch_.remove(task.slot);
  generation.stop_reason = StopReason::length;
  keep_snapshot(task);  // on disk, if there is one
  end(task, generation);
  running_.clear();
}

void Scheduler::preempt(Task& task) {
  const Generation generation = batch_.remove(task.slot);
  task.end.drafts += generation.drafts;
  ++task.end.n_preemptions;
  keep_snapshot(task);  // stays only if there is room
  task.state.reset();
  cache_.shrink();
  const std::lock_guard lock(mutex_);
  ++totals_.n_preemptions;
}

void Scheduler::end(Task& task, const Generation& generation) {
  JobEnd& end = task.end;
  if (end.outcome != JobOutcome::refused) {
    switch (generation.stop_reason) {
      case StopReason::length:
        end.outcome = JobOutcome::length;
        break;
      case StopReason::no_token:
        end.outcome = JobOutcome::no_token;
        break;
      default:
        end.outcome = task.is_cancelled ? JobOutcome::cancelled : JobOutcome::stopped;
    }
  }
  end.n_tokens = task.job.max_tokens == 0 ? 0 : task.n_said;
  end.drafts += generation.drafts;
  const auto now = Clock::now();
  if (!task.started) end.times.queued_seconds = seconds_between(task.submitted, now);
  if (task.started)
    end.times.prefill_seconds = seconds_between(*task.started, task.first_token.value_or(now));
  if (task.first_token) end.times.decode_seconds = seconds_between(*task.first_token, now);
  task.state.reset();
  task.job.listener->on_end(end);
  clients_.leave(task.job.client);
  const std::lock_guard lock(mutex_);
  --n_unfinished_;
  changed_.notify_all();
}

/// The picture for other threads.
void Scheduler::publish() {
  const std::lock_guard lock(mutex_);
  state_.slots.assign(options_.n_slots, {});
  for (std::size_t i = 0; i < running_.size(); ++i) {
    const Task& task = *running_[i];
    state_.slots[i] = {.job = task.id,
                       .client = task.job.client,
                       .n_prompt = task.n_prompt(),
                       .n_prompt_done = task.n_said > 0 ? task.n_prompt() : task.n_told,
                       .n_decoded = task.n_said,
                       .max_tokens = task.job.max_tokens};
  }
  state_.n_waiting = waiting_.size() + inbox_.size();
  state_.page_bytes = model_.page_bytes();
  state_.snapshot_bytes = cache_.tail_bytes();
  state_.n_snapshots = cache_.n_snapshots();
  state_.n_evicted = cache_.n_evicted();
}

}  // namespace hadal
