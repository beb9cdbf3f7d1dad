#include "engine/batch.h"

#include "base/check.h"
#include "engine/batch_running.h"

#include <chrono>

namespace hadal {
namespace {

/// Seconds since the last call.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> seconds = now - last_;
    last_ = now;
    return seconds.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Prompt tokens in a pass that wants logits for all of them: half a megabyte each for V4.
constexpr std::size_t kMostScoredTokens = 64;

Result<void> check_ids(const Model& model, std::span<const std::int32_t> ids) {
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= model.config().vocab_size) {
      return error(ErrorCode::invalid_argument, "token id {} is outside of the vocabulary (0..{})",
                   id, model.config().vocab_size - 1);
    }
  }
  return {};
}

bool rise_within(std::span<const std::size_t> marks, std::size_t n_prompt) {
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] == 0 || marks[i] > n_prompt || (i > 0 && marks[i] <= marks[i - 1])) return false;
  }
  return true;
}

Result<void> check(const Model& model, const GenerationRequest& request) {
  HADAL_CHECK(request.state != nullptr, "a request has a state");
  if (request.prompt.empty()) return error(ErrorCode::invalid_argument, "the prompt has no tokens");
  if (request.max_tokens == 0)
    return error(ErrorCode::invalid_argument, "max_tokens is 0: nothing to generate");
  HADAL_TRY(check_ids(model, request.prompt));
  HADAL_TRY(check_ids(model, request.history));
  if (!rise_within(request.marks, request.prompt.size()))
    return error(ErrorCode::invalid_argument, "marks must rise within the prompt");
  if (request.n_answered > request.history.size() + request.prompt.size())
    return error(ErrorCode::invalid_argument, "more tokens answered than said");
  if (request.n_drafts > 0 && !model.has_mtp()) {
    return error(ErrorCode::invalid_argument,
                 "speculation needs an MTP block, and this model has none");
  }
  return {};
}

bool allows_any(std::span<const std::uint64_t> allowed) {
  return allowed.empty() ||
         std::any_of(allowed.begin(), allowed.end(), [](std::uint64_t word) { return word != 0; });
}

}  // namespace

Batch::Running::Running(GenerationRequest r) : request(std::move(r)), next(request.prompt) {
  const std::size_t n_answer = std::min(request.max_tokens, request.n_reserved);
  result.tokens.reserve(n_answer);
  said_ = request.history;
  said_.insert(said_.end(), request.prompt.begin(), request.prompt.end());
  answered_.assign(said_.end() - static_cast<std::ptrdiff_t>(request.n_answered), said_.end());
  said_.resize(said_.size() - request.n_answered);
  if (!answered_.empty()) answered_.reserve(answered_.size() + n_answer);
  request.state->reserve(request.state->n_tokens() + request.prompt.size() + n_answer);
}

std::size_t Batch::Running::n_drafts() const {
  static_assert(DraftCounts::kMaxDrafts == SequenceState::kMaxRollback - 1);
  if (request.drafts_must_pay && !policy.wants_drafts()) return 0;
  const std::size_t left = request.max_tokens - result.tokens.size();
  return std::min({request.n_drafts, left - 1, SequenceState::kMaxRollback - 1});
}

std::size_t Batch::Running::n_to_mark() const {
  const auto mark = std::upper_bound(request.marks.begin(), request.marks.end(), n_prompt_done);
  const std::size_t n = mark == request.marks.end() ? next.size() : *mark - n_prompt_done;
  return request.on_prompt_token ? std::min(n, kMostScoredTokens) : n;
}

LogitsFor Batch::Running::logits_for(std::size_t n) const {
  if (!in_prefill() || request.on_prompt_token) return LogitsFor::all;
  return n == next.size() ? LogitsFor::last : LogitsFor::none;
}

void Batch::Running::choose(std::span<const float> logits_row, std::uint64_t position) {
  const std::span<const std::uint64_t> allowed =
      request.allowed ? request.allowed() : std::span<const std::uint64_t>{};
  if (!allows_any(allowed)) return finish(StopReason::no_token);
  const TokenHistory history{said_, answered_.empty() ? result.tokens : answered_};
  TokenChoice choice = sample(logits_row, request.sampling, history, position, allowed);
  result.tokens.push_back(choice.token);
  if (!answered_.empty()) answered_.push_back(choice.token);
  const auto& stops = request.stop_tokens;
  if (std::find(stops.begin(), stops.end(), choice.token) != stops.end()) {
    finish(StopReason::stop_token);
  } else if (result.tokens.size() >= request.max_tokens) {
    finish(StopReason::length);
  }
  if (request.on_token && !request.on_token(choice) && !done) finish(StopReason::cancelled);
}

/// Chooses tokens from the rows of a verification pass: row i follows next[i]. A draft is kept when
/// it is the token that the model itself chooses.
void Batch::Running::verify(const ForwardOutput& output, std::size_t first_row) {
  for (std::size_t i = 0; i < fed.size() && !done; ++i) {
    choose(output.row(first_row + i), start + i + 1);
    const bool has_draft = i + 1 < fed.size();
    if (has_draft && fed[i + 1] != result.tokens.back()) break;
    if (!has_draft || done) continue;
    ++result.drafts.n_accepted;
    ++result.drafts.n_accepted_at[i];
  }
}

void Batch::Running::read_prompt(const ForwardOutput& output, std::size_t first_row) {
  const std::size_t n = fed.size();
  if (request.on_prompt_token) {
    for (std::size_t i = 0; i < n && i + 1 < next.size(); ++i)
      request.on_prompt_token(
          score(output.row(first_row + i), next[i + 1], request.sampling.n_logprobs.value_or(0)));
  }
  next.erase(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(n));
  n_prompt_done += n;
  if (next.empty()) {
    const std::size_t last_row = first_row + (logits == LogitsFor::all ? n - 1 : 0);
    choose(output.row(last_row), start + n);
    if (!result.tokens.empty()) next = {result.tokens.back()};
  }
}

void Batch::Running::absorb(const ForwardOutput& output, std::size_t first_row) {
  n_kept = fed.size();
  if (was_prefill) return read_prompt(output, first_row);
  const std::size_t n_before = result.tokens.size();
  verify(output, first_row);
  n_kept = result.tokens.size() - n_before;
  next = {result.tokens.back()};
}

std::vector<std::int32_t> Batch::Running::next_of_kept() const {
  std::vector<std::int32_t> tokens(fed.begin() + 1,
                                   fed.begin() + static_cast<std::ptrdiff_t>(n_kept));
  tokens.push_back(next.front());
  return tokens;
}

Batch::Batch(Model& model) : model_(model) {}
Batch::~Batch() = default;

Result<Batch::Slot> Batch::add(GenerationRequest request) {
  HADAL_TRY(check(model_, request));
  auto running = std::make_unique<Running>(std::move(request));
  const auto free = std::find(running_.begin(), running_.end(), nullptr);
  const auto slot = static_cast<Slot>(free - running_.begin());
  if (free == running_.end()) {
    running_.push_back(std::move(running));
  } else {
    *free = std::move(running);
  }
  return slot;
}

Generation Batch::remove(Slot slot) {
  HADAL_CHECK(is_taken(slot), "only a request that is there can be removed");
  Running& running = *running_[slot];
  if (!running.done) running.result.stop_reason = StopReason::cancelled;
  Generation result = std::move(running.result);
  running_[slot] = nullptr;
  return result;
}

std::size_t Batch::n_slots() const {
  return running_.size();
}
bool Batch::is_taken(Slot slot) const {
  return slot < running_.size() && running_[slot] != nullptr;
}
bool Batch::has_ended(Slot slot) const {
  return is_taken(slot) && running_[slot]->done;
}
bool Batch::in_prefill(Slot slot) const {
  return is_taken(slot) && running_[slot]->in_prefill();
}
std::size_t Batch::n_prompt_done(Slot slot) const {
  return is_taken(slot) ? running_[slot]->n_prompt_done : 0;
}

Batch::Pass Batch::step(const Limits& limits) {
  Stopwatch watch;
  pick_inputs(limits);
  Pass pass{.n_sequences = picked_.size()};
  if (picked_.empty()) return pass;
  const bool want_streams =
      std::any_of(picked_.begin(), picked_.end(), [](const Running* r) { return r->speculates(); });
  model_.forward(inputs_, output_, want_streams);
  take(output_);
  const double pass_seconds = watch.lap();
  record(pass_seconds);
  if (want_streams) draft(output_.streams);
  drafting_seconds_ = watch.lap();
  for (const Running* r : picked_)
    (r->was_prefill ? pass.n_prompt_tokens : pass.n_decoded) += r->n_kept;
  pass.seconds = pass_seconds + drafting_seconds_;
  return pass;
}

void Batch::pick(Running& running, std::size_t n) {
  running.was_prefill = running.in_prefill();
  running.fed.assign(running.next.begin(), running.next.begin() + static_cast<std::ptrdiff_t>(n));
  running.start = running.request.state->n_tokens();
  running.logits = running.logits_for(n);
  const bool ends_prompt = running.was_prefill && n == running.next.size();
  picked_.push_back(&running);
  inputs_.push_back({.state = running.request.state,
                     .tokens = running.fed,
                     .logits = running.logits,
                     .attended = ends_prompt ? running.request.attended : nullptr});
}

/// Decoding requests first, then prompts in order, up to the limits.
void Batch::pick_inputs(const Limits& limits) {
  picked_.clear();
  inputs_.clear();
  std::size_t budget = limits.max_tokens;
  for (const auto& running : running_) {
    if (running == nullptr || running->done || running->in_prefill()) continue;
    if (running->next.size() > budget) continue;
    budget -= running->next.size();
    pick(*running, running->next.size());
  }
  budget = std::min(budget, limits.max_prompt_tokens);
  const auto read = [&](Slot slot) {
    if (budget == 0 || !in_prefill(slot)) return;
    const std::size_t n = std::min(budget, running_[slot]->n_to_mark());
    budget -= n;
    pick(*running_[slot], n);
  };
  for (const Slot slot : limits.prompt_order) read(slot);
  if (limits.prompt_order.empty()) {
    for (Slot slot = 0; slot < running_.size(); ++slot) read(slot);
  }
}

void Batch::take(const ForwardOutput& output) {
  std::size_t row = 0;
  for (Running* r : picked_) {
    r->absorb(output, row);
    if (r->logits == LogitsFor::all) row += r->fed.size();
    if (r->logits == LogitsFor::last) row += 1;
    const auto rolled_back = r->request.state->roll_back(r->start + r->n_kept);
    HADAL_CHECK(rolled_back.has_value(), "drafts are fewer than the roll-back limit");
    const auto& marks = r->request.marks;
    if (r->was_prefill && r->request.on_mark &&
        std::binary_search(marks.begin(), marks.end(), r->n_prompt_done))
      r->request.on_mark(r->n_prompt_done);
  }
}

/// Tells the policies of decoding requests what the pass cost and gave. The making of drafts counts
/// for those that had some.
void Batch::record(double pass_seconds) {
  for (Running* r : picked_) {
    if (r->was_prefill) continue;
    const bool drafted = r->fed.size() > 1;
    r->policy.record(drafted, pass_seconds + (drafted ? drafting_seconds_ : 0.0), r->n_kept);
  }
}

}  // namespace hadal
