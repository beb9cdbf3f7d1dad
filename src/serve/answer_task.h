// One request on its way to an answer: the engine's tokens become the client's events.
#pragma once

#include "http/server.h"
#include "protocol/answer.h"
#include "serve/answer_choice.h"
#include "serve/answer_grammar.h"
#include "serve/scheduler.h"
#include "serve/serving_context.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Told when the answer is complete, before the client is: its JSON text (of Responses the final
/// object).
using OnAnswered = std::function<void(const std::string& body)>;

/// Runs on the connection's strand, but for what comes from the engine. Keeps itself alive until
/// its jobs have ended.
class AnswerTask final : public ChoiceTeller, public std::enable_shared_from_this<AnswerTask> {
 public:
  AnswerTask(ServingContext& context, ApiRequest request, std::vector<PromptTokens> prompts,
             AnswerRules rules, AnswerHead head, std::string request_id,
             std::shared_ptr<HttpResponder> responder);
  ~AnswerTask();

  /// Submits the jobs. Errors: those of Scheduler::submit; nothing was sent then.
  Result<void> start(std::string client, OnAnswered on_answered);
  const ApiRequest& request() const { return request_; }
  const AnswerHead& head() const { return head_; }
  /// The answer's id, as a stream tells it; of answers at once the request's.
  std::string id() const { return stream_ ? std::string(stream_->id()) : request_id_; }
  /// Every second or so, on any thread: signs of life for a client that waits.
  void tick();
  /// Ends the answer where it is; the client gets what there is. Any thread.
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  const PromptTokens& prompt_of(std::size_t choice) const {
    return prompts_[choice / request_.n_choices];
  }
  bool is_first_of_prompt(std::size_t choice) const { return choice % request_.n_choices == 0; }
  Job job_of(std::size_t choice) const;

  // On the strand:
  void begin_choice(std::size_t choice, std::size_t n_restored) override;
  void show_progress(std::size_t done, std::size_t total) override;
  void show(std::size_t choice, std::vector<ChatEvent> events,
            std::vector<TokenLogprob> logprobs) override;
  void end_choice(std::size_t choice, ChoiceEnd end) override;
  void begin(std::size_t n_cached);
  void count_prefix(std::size_t choice, const PrefixUse& use);
  void complete();
  void fail(const ApiError& told);
  void send(std::string frames);
  void record(std::string_view outcome) const;
  HttpHeaders headers(std::string_view type) const;

  ServingContext& context_;
  ApiRequest request_;
  AnswerRules rules_;
  AnswerHead head_;
  std::string request_id_;
  std::shared_ptr<HttpResponder> responder_;
  std::unique_ptr<AnswerStream> stream_;  ///< null: one object at the end
  OnAnswered on_answered_;
  std::vector<PromptTokens> prompts_;
  std::vector<Scheduler::JobId> jobs_;  ///< one per choice

  Answer answer_;
  std::size_t n_unfinished_ = 0;
  bool has_begun_ = false, has_failed_ = false;
  bool is_gone_ = false;
  std::atomic<bool> was_cancelled_{false};  ///< by its client; else only the server's end cancels
  std::optional<Error> error_;
  Clock::time_point arrived_ = Clock::now(), last_sent_ = arrived_;
  std::optional<Clock::time_point> first_token_;
  JobEnd sum_;
  std::size_t n_cached_ = 0;  ///< as the client is told: each prompt once
  std::size_t n_read_ = 0;    ///< prompt tokens of all choices, those that share a prompt too
};

}  // namespace hadal
