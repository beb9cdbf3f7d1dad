#include "serve/answer_task.h"

#include "base/log.h"
#include "base/seconds.h"
#include "chat/answer_reader.h"
#include "chat/local_model.h"
#include "chat/prompt_template.h"
#include "protocol/json_text.h"
#include "serve/answer_logprobs.h"
#include "serve/exchange.h"
#include "serve/loop_guard.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

constexpr const char* kLoopWarning =
    "the model repeated itself word for word, and was stopped (--no-loop-guard lets it go on)";
constexpr auto kCallCut = static_cast<std::size_t>(Repair::call_cut);

}  // namespace

/// The engine's side of one choice. Everything but the constructor runs on the engine's thread.
class AnswerTask::Choice final : public JobListener {
 public:
  Choice(std::shared_ptr<AnswerTask> task, std::size_t index, const PromptTokens& prompt)
      : task_(std::move(task)),
        index_(index),
        tokenizer_(task_->context_.tokenizer),
        responder_(task_->responder_),
        rules_(task_->rules_),
        think_end_(tokenizer_.find_special(kThinkEndToken)),
        budget_(task_->request_.thinking.budget_tokens),
        n_logprobs_(task_->request_.n_logprobs),
        is_raw_(task_->request_.protocol == Protocol::completions),
        reader_(tokenizer_,
                {.start = prompt.opens_reasoning ? AnswerStart::reasoning : AnswerStart::content,
                 .is_raw = is_raw_,
                 .stop = task_->request_.options.stop,
                 .call_id_prefix = task_->head_.new_id("call_")}) {
    if (task_->request_.echo) echo_ = prompt.ids;
    if (task_->context_.script != nullptr)
      script_ = task_->context_.script->tokens_for(task_->request_, tokenizer_);
    if (task_->context_.guards_loops && !is_constrained()) loop_guard_.emplace();
  }

  bool is_constrained() const {
    return rules_.grammar != nullptr || (budget_ && think_end_) || !script_.empty();
  }

  std::span<const std::uint64_t> allowed() {
    if (!script_.empty())
      return only(n_said_ < script_.size() ? script_[n_said_] : task_->context_.eos);
    if (must_end_reasoning()) return only(*think_end_);
    return follows_rules() ? std::span<const std::uint64_t>(matcher_->mask().words())
                           : std::span<const std::uint64_t>();
  }
  void set_mask_words(std::size_t n) { n_mask_words_ = n; }

  void on_start(const PrefixUse& use) override {
    if (rules_.grammar) matcher_.emplace(task_->context_.grammars.matcher(rules_.grammar));
    if (!echo_.empty()) {
      // The first token has nothing before it.
      if (n_logprobs_)
        prompt_logprobs_.push_back({.bytes = bytes_of(echo_.front()), .logprob = {}, .top = {}});
    }
    post([index = index_, n = use.n_restored](AnswerTask& task) {
      task.begin(task.is_first_of_prompt(index) ? n : 0);
    });
  }

  void on_prefill(std::size_t done, std::size_t total) override {
    post([done, total](AnswerTask& task) { task.show_progress(done, total); });
  }

  void on_prompt_token(const TokenChoice& choice) override {
    prompt_logprobs_.push_back(logprob_of(choice));
  }

  bool on_token(const TokenChoice& choice) override {
    show_echo();
    const auto now = Clock::now();
    if (last_token_) task_->context_.metrics.observe_token_gap(seconds_between(*last_token_, now));
    last_token_ = now;
    const bool is_reasoning = reader_.in_reasoning();
    n_reasoning_ += is_reasoning;
    ++n_said_;
    if (follows_rules()) matcher_->accept_token(choice.token);
    const bool is_end = choice.token == task_->context_.eos;
    // OpenAI's completions tell the token that ends the text too; harnesses count on it.
    if (n_logprobs_ && !is_reasoning && (is_raw_ || !is_end)) logprobs_.add(logprob_of(choice));
    if (is_end) return true;
    ids_.push_back(choice.token);
    is_loop_ = loop_guard_ && loop_guard_->take(choice.token);
    std::vector<ChatEvent> events;
    const bool goes_on = reader_.take(choice.token, events);
    tell(std::move(events));
    return goes_on && !is_loop_;
  }

  void on_end(const JobEnd& end) override {
    show_echo();
    // A call that was not written to its end must not be taken for one.
    const bool at_limit = end.outcome != JobOutcome::stopped || is_loop_;
    ParsedCompletion parsed = reader_.finish(at_limit ? GenerationEnd::limit : GenerationEnd::stop);
    tell(std::move(parsed.last_events));
    std::vector<TokenLogprob> last_logprobs = logprobs_.take_rest();
    std::size_t n_repairs = 0;
    for (const std::size_t n : parsed.repairs) n_repairs += n;
    if (n_repairs > 0) task_->context_.metrics.count_repairs(n_repairs);
    if (is_loop_) task_->context_.metrics.count_loop();
    if (TraceLog* trace = task_->context_.trace) {
      trace->answer(task_->request_id_, index_, tokenizer_.decode(task_->prompt_of(index_).ids),
                    tokenizer_.decode(ids_));
    }
    // What a stop string or the limit cut is not what the client will send back.
    const bool is_whole = !reader_.stopped_by() && parsed.repairs[kCallCut] == 0;
    if (is_whole && !is_raw_) {
      post([message = parsed.message, ids = ids_](AnswerTask& task) {
        task.context_.turns.add(message, ids);
      });
    }
    AnswerChoice answer{.message = std::move(parsed.message),
                        .finish_reason = parsed.finish_reason,
                        .stop_sequence = reader_.stopped_by(),
                        .logprobs = logprobs_.told(),
                        .last_logprobs = std::move(last_logprobs),
                        .has_cut_call = parsed.repairs[kCallCut] > 0};
    if (!echoed_text_.empty()) {
      answer.message.content.insert(0, echoed_text_);
      answer.logprobs.insert(answer.logprobs.begin(), prompt_logprobs_.begin(),
                             prompt_logprobs_.end());
    }
    post([index = index_, answer = std::move(answer), end, n = n_reasoning_,
          is_loop = is_loop_](AnswerTask& task) {
      task.answer_.usage.n_reasoning_tokens += n;
      if (is_loop) task.answer_.warning = kLoopWarning;
      task.end_choice(index, answer, end);
    });
    task_.reset();
  }

 private:
  bool must_end_reasoning() const {
    return budget_ && think_end_ && reader_.in_reasoning() && n_reasoning_ >= *budget_;
  }
  /// A mask of one token.
  std::span<const std::uint64_t> only(std::int32_t token) {
    const auto id = static_cast<std::size_t>(token);
    one_token_.assign(n_mask_words_, 0);
    one_token_[id / 64] = std::uint64_t{1} << (id % 64);
    return one_token_;
  }
  bool follows_rules() const {
    return matcher_ && !(rules_.begins_after_reasoning && reader_.in_reasoning());
  }

  std::string bytes_of(std::int32_t token) const {
    return std::string(tokenizer_.token_bytes(token));
  }
  TokenLogprob logprob_of(const TokenChoice& choice) const {
    TokenLogprob told{.bytes = bytes_of(choice.token), .logprob = choice.logprob, .top = {}};
    for (const auto& [id, logprob] : choice.top_logprobs)
      told.top.push_back({.bytes = bytes_of(id), .logprob = logprob});
    return told;
  }

  void show_echo() {
    if (echo_.empty()) return;
    echoed_text_ = valid_utf8(tokenizer_.decode(std::exchange(echo_, {})));
    tell({ContentDelta{echoed_text_}}, prompt_logprobs_);
  }

  void tell(std::vector<ChatEvent> events) {
    if (events.empty()) return;
    std::vector<TokenLogprob> logprobs = logprobs_.take(events);
    tell(std::move(events), std::move(logprobs));
  }
  void tell(std::vector<ChatEvent> events, std::vector<TokenLogprob> logprobs) {
    post([index = index_, events = std::move(events),
          logprobs = std::move(logprobs)](AnswerTask& task) mutable {
      task.show(index, std::move(events), std::move(logprobs));
    });
  }

  /// Work for the strand, in order.
  template <typename Work>
  void post(Work work) {
    responder_->post([task = task_, work = std::move(work)]() mutable { work(*task); });
  }

  std::shared_ptr<AnswerTask> task_;  ///< until the end
  std::size_t index_;
  const Tokenizer& tokenizer_;
  std::shared_ptr<HttpResponder> responder_;
  AnswerRules rules_;
  std::optional<std::int32_t> think_end_;
  std::optional<std::size_t> budget_;
  std::optional<std::size_t> n_logprobs_;
  bool is_raw_;
  AnswerReader reader_;
  std::optional<grammar::Matcher> matcher_;
  std::vector<std::uint64_t> one_token_;
  std::vector<std::int32_t> script_;  ///< not empty: what is to be said
  std::size_t n_said_ = 0;
  std::size_t n_mask_words_ = 0;
  std::size_t n_reasoning_ = 0;
  std::optional<LoopGuard> loop_guard_;
  bool is_loop_ = false;
  std::vector<std::int32_t> ids_;   ///< as sampled, without the end token
  std::vector<std::int32_t> echo_;  ///< prompt that is still to be told
  std::string echoed_text_;
  std::vector<TokenLogprob> prompt_logprobs_;
  AnswerLogprobs logprobs_;
  std::optional<Clock::time_point> last_token_;
};

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
    auto choice = std::make_shared<Choice>(shared_from_this(), i, prompt);
    choice->set_mask_words((context_.vocab_size + 63) / 64);
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

void AnswerTask::end_choice(std::size_t choice, AnswerChoice answer, const JobEnd& end) {
  answer_.choices[choice] = std::move(answer);
  answer_.usage.n_completion_tokens += end.n_tokens;
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
