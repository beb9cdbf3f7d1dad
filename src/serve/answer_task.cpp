#include "serve/answer_task.h"

#include "base/log.h"
#include "base/seconds.h"
#include "chat/local_model.h"
#include "serve/exchange.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

constexpr const char* kLoopWarning =
    "the model repeated itself word for word, and was stopped (--no-loop-guard lets it go on)";

}  // namespace

AnswerTask::AnswerTask(ServingContext& context, ApiRequest request,
                       std::vector<PromptTokens> prompts, AnswerRules rules, AnswerHead head,
                       std::string request_id, std::shared_ptr<HttpResponder> responder)
    : context_(context),
      request_(std::move(request)),
      rules_(std::move(rules)),
      head_(std::move(head)),
      request_id_(std::move(request_id)),
      responder_(std::move(responder)),
      prompts_(std::move(prompts)) {
  if (request_.hints.stream) stream_ = make_answer_stream(request_, head_);
  answer_.choices.resize(prompts_.size() * request_.n_choices);
}

AnswerTask::~AnswerTask() = default;

Result<void> AnswerTask::start(std::string client, OnAnswered on_answered) {
  on_answered_ = std::move(on_answered);
  n_unfinished_ = answer_.choices.size();
  for (std::size_t i = 0; i < answer_.choices.size(); ++i) {
    const PromptTokens& prompt = prompt_of(i);
    auto choice = listen_to_choice({.index = i,
                                    .context = context_,
                                    .request = request_,
                                    .rules = rules_,
                                    .prompt = prompt,
                                    .request_id = request_id_,
                                    .call_id_prefix = head_.new_id("call_"),
                                    .responder = responder_,
                                    .teller = shared_from_this()});
    n_read_ += prompt.ids.size();
    if (is_first_of_prompt(i)) answer_.usage.n_prompt_tokens += prompt.ids.size();
    Job job = job_of(i);
    job.client = client;
    if (choice->is_constrained()) {
      job.allowed = [listener = choice.get()] { return listener->allowed(); };
    }
    job.listener = choice;
    auto id = context_.scheduler.submit(std::move(job));
    if (!id) {
      for (const Scheduler::JobId other : jobs_) context_.scheduler.cancel(other);
      n_unfinished_ = jobs_.size();
      has_failed_ = true;  // whatever the others still say is not told
      return id.error();
    }
    jobs_.push_back(*id);
  }
  responder_->on_gone([weak = weak_from_this()] {
    if (const auto task = weak.lock()) {
      task->is_gone_ = true;
      task->cancel();
    }
  });
  return {};
}

/// Choices of one prompt differ by their seeds, which rise by one: any of them can be asked for by
/// itself.
Job AnswerTask::job_of(std::size_t choice) const {
  const PromptTokens& prompt = prompt_of(choice);
  const std::size_t room = context_.context - prompt.ids.size();
  const std::size_t wanted = request_.options.max_tokens;
  Job job;
  job.prompt = prompt.ids;
  job.sampling = sampling_of(request_.options);
  job.sampling.seed += choice % request_.n_choices;
  job.sampling.n_logprobs = request_.n_logprobs;
  job.sampling.logit_bias.assign(request_.logit_bias.begin(), request_.logit_bias.end());
  job.max_tokens = request_.prefill_only ? 0 : wanted == 0 ? room : std::min(wanted, room);
  job.stop_tokens = {context_.eos};
  job.n_drafts = context_.n_drafts;
  job.boundaries = prompt.turn_ends;
  job.uses_cache = request_.hints.cache_prompt;
  job.scores_prompt = request_.echo && request_.n_logprobs.has_value();
  return job;
}

void AnswerTask::cancel() {
  was_cancelled_ = true;
  for (const Scheduler::JobId job : jobs_) context_.scheduler.cancel(job);
}

void AnswerTask::tick() {
  responder_->post([self = shared_from_this()] {
    if (!self->stream_ || self->has_failed_ || self->n_unfinished_ == 0) return;
    auto every = self->context_.keep_alive;
    if (const auto wish = self->request_.hints.sse_ping_seconds) {
      if (*wish <= 0) return;
      every = std::chrono::seconds(*wish);
    }
    if (Clock::now() - self->last_sent_ < every) return;
    self->begin(0);  // a client that waits in the queue hears of that too
    self->send(self->stream_->keep_alive());
  });
}

HttpHeaders AnswerTask::headers(std::string_view type) const {
  HttpHeaders all = response_headers(request_id_, context_.cors_origin, type);
  all.emplace_back("Cache-Control", "no-cache");
  return all;
}

void AnswerTask::send(std::string frames) {
  if (frames.empty()) return;
  last_sent_ = Clock::now();
  responder_->write(std::move(frames));
}

void AnswerTask::begin_choice(std::size_t choice, std::size_t n_restored) {
  begin(is_first_of_prompt(choice) ? n_restored : 0);
}

void AnswerTask::begin(std::size_t n_cached) {
  answer_.usage.n_cached_tokens = std::max(answer_.usage.n_cached_tokens, n_cached);
  if (!stream_ || has_begun_ || has_failed_) return;
  has_begun_ = true;
  responder_->start(200, headers("text/event-stream"));
  send(stream_->begin(answer_.usage));
}

void AnswerTask::show_progress(std::size_t done, std::size_t total) {
  if (!stream_ || !has_begun_ || has_failed_ || !request_.hints.return_progress) return;
  send(stream_->progress(done, total, answer_.usage.n_cached_tokens,
                         seconds_between(arrived_, Clock::now())));
}

void AnswerTask::show(std::size_t choice, std::vector<ChatEvent> events,
                      std::vector<TokenLogprob> logprobs) {
  if (!first_token_) first_token_ = Clock::now();
  if (!stream_ || has_failed_) return;
  std::string frames;
  std::span<const TokenLogprob> untold = logprobs;
  for (const ChatEvent& event : events) {
    EventDetails details{.choice = choice};
    if (std::holds_alternative<ContentDelta>(event)) details.logprobs = std::exchange(untold, {});
    frames += stream_->event(event, details);
  }
  send(std::move(frames));
}

void AnswerTask::end_choice(std::size_t choice, ChoiceEnd told) {
  if (!told.turn.empty()) context_.turns.add(told.answer.message, told.turn);
  if (told.is_loop) answer_.warning = kLoopWarning;
  answer_.choices[choice] = std::move(told.answer);
  const JobEnd& end = told.job;
  answer_.usage.n_completion_tokens += end.n_tokens;
  answer_.usage.n_reasoning_tokens += told.n_reasoning_tokens;
  if (end.outcome == JobOutcome::refused) error_ = end.error;
  count_prefix(choice, end.prefix);
  sum_.drafts += end.drafts;
  sum_.n_preemptions += end.n_preemptions;
  sum_.times.queued_seconds = std::max(sum_.times.queued_seconds, end.times.queued_seconds);
  sum_.times.prefill_seconds += end.times.prefill_seconds;
  sum_.times.decode_seconds += end.times.decode_seconds;
  if (end.outcome == JobOutcome::cancelled) sum_.outcome = JobOutcome::cancelled;
  if (--n_unfinished_ == 0) complete();
}

void AnswerTask::count_prefix(std::size_t choice, const PrefixUse& use) {
  sum_.prefix.n_restored += use.n_restored;
  sum_.prefix.n_repeated += use.n_repeated;
  if (is_first_of_prompt(choice)) n_cached_ += use.n_restored;
  if (use.n_repeated == 0 && choice != 0) return;
  sum_.prefix.miss = use.miss;
  sum_.prefix.diverged_at = use.diverged_at;
  sum_.prefix.from_disk |= use.from_disk;
}

void AnswerTask::complete() {
  if (has_failed_) return;
  if (error_) return fail(api_error(*error_));
  if (sum_.outcome == JobOutcome::cancelled && !was_cancelled_) {
    return fail({.kind = ApiError::Kind::overloaded,
                 .message = "the server is ending, and so the answer is not complete"});
  }
  answer_.is_cancelled = sum_.outcome == JobOutcome::cancelled;
  answer_.usage.n_cached_tokens = n_cached_;
  answer_.timings = Timings{.prefill_seconds = sum_.times.prefill_seconds,
                            .decode_seconds = sum_.times.decode_seconds,
                            .n_drafted = sum_.drafts.n_drafted,
                            .n_accepted = sum_.drafts.n_accepted};
  record(is_gone_ || answer_.is_cancelled
             ? "cancelled"
             : finish_reason_name(answer_.choices.front().finish_reason));
  if (stream_) {
    begin(answer_.usage.n_cached_tokens);
    std::string frames = stream_->end(answer_);
    if (on_answered_ && !is_gone_) on_answered_(stream_->final_object());
    send(std::move(frames));
    responder_->end();
  } else {
    std::string body = answer_body(request_, head_, answer_);
    if (on_answered_ && !is_gone_) on_answered_(body);
    responder_->respond(200, headers("application/json"), std::move(body));
  }
  context_.metrics.count_http(200);
}

void AnswerTask::fail(const ApiError& told) {
  record("error");
  if (stream_ && has_begun_) {
    send(stream_->fail(told));
    responder_->end();
    if (on_answered_) on_answered_(stream_->final_object());
    context_.metrics.count_http(200);
    return;
  }
  has_failed_ = true;
  const int status = http_status(told, request_.protocol);
  context_.metrics.count_http(status);
  HttpHeaders all = headers("application/json");
  for (auto& header : error_headers(told)) all.push_back(std::move(header));
  responder_->respond(status, std::move(all), error_body(told, request_.protocol, request_id_));
}

/// The sums, and one line without a word of the prompt.
void AnswerTask::record(std::string_view outcome) const {
  const auto now = Clock::now();
  const RequestRecord r{
      .outcome = outcome,
      .n_prompt = n_read_,
      .n_restored = sum_.prefix.n_restored,
      .n_repeated = sum_.prefix.n_repeated,
      .n_completion = answer_.usage.n_completion_tokens,
      .prefix_miss = prefix_miss_name(sum_.prefix.miss),
      .queued_seconds = sum_.times.queued_seconds,
      .first_token_seconds = seconds_between(arrived_, first_token_.value_or(now)),
      .prefill_seconds = sum_.times.prefill_seconds,
      .decode_seconds = sum_.times.decode_seconds,
      .total_seconds = seconds_between(arrived_, now),
      .drafts = sum_.drafts,
      .n_choices = answer_.choices.size(),
      .max_tokens = request_.options.max_tokens};
  context_.metrics.add(r);
  const double rate = r.decode_seconds > 0 && r.n_completion > 1
                          ? static_cast<double>(r.n_completion - 1) / r.decode_seconds
                          : 0.0;
  std::string why(r.prefix_miss);
  if (sum_.prefix.miss == PrefixMiss::diverged)
    why = fmt::format("diverged at turn {}", sum_.prefix.diverged_at);
  log_info("request",
           "id={} outcome={} prompt={} restored={}{} repeated={} prefix=\"{}\" completion={} "
           "queued_s={:.3f} ttft_s={:.3f} decode_tok_s={:.1f} drafts={}/{} preempted={}{}",
           request_id_, r.outcome, r.n_prompt, r.n_restored, sum_.prefix.from_disk ? " (disk)" : "",
           r.n_repeated, why, r.n_completion, r.queued_seconds, r.first_token_seconds, rate,
           r.drafts.n_accepted, r.drafts.n_drafted, sum_.n_preemptions,
           answer_.warning.empty() ? "" : " loop=1");
}

}  // namespace hadal
