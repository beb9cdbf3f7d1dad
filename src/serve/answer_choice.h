// The engine's side of one choice of an answer: tokens come in, events go to the client's side.
#pragma once

#include "chat/chat_event.h"
#include "http/server.h"
#include "protocol/answer.h"
#include "serve/answer_grammar.h"
#include "serve/job.h"
#include "serve/serving_context.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hadal {

/// A choice that is complete.
struct ChoiceEnd {
  AnswerChoice answer;
  JobEnd job;
  std::size_t n_reasoning_tokens = 0;
  bool is_loop = false;  ///< stopped since it repeated itself
  /// The tokens as sampled, if the client may send them back as a turn; else empty.
  std::vector<std::int32_t> turn;
};

/// The client's side. Called on the connection's strand, in order.
class ChoiceTeller {
 public:
  virtual ~ChoiceTeller() = default;
  virtual void begin_choice(std::size_t choice, std::size_t n_restored) = 0;
  /// Of the prompt, in tokens.
  virtual void show_progress(std::size_t done, std::size_t total) = 0;
  virtual void show(std::size_t choice, std::vector<ChatEvent> events,
                    std::vector<TokenLogprob> logprobs) = 0;
  virtual void end_choice(std::size_t choice, ChoiceEnd end) = 0;
};

/// Besides what the scheduler tells it: which tokens may come next. Engine thread, but for
/// is_constrained before the job is submitted.
class ChoiceListener : public JobListener {
 public:
  /// Whether allowed() is to be asked at all.
  virtual bool is_constrained() const = 0;
  /// A bit per token of the model's vocabulary; empty: all are allowed. Valid until the next call.
  virtual std::span<const std::uint64_t> allowed() = 0;
};

/// The references must live as long as the teller does, which the listener holds until its job has
/// ended.
struct ChoiceContext {
  std::size_t index;  ///< among the choices of the answer
  ServingContext& context;
  const ApiRequest& request;
  const AnswerRules& rules;
  const PromptTokens& prompt;
  const std::string& request_id;
  std::string call_id_prefix;
  std::shared_ptr<HttpResponder> responder;
  std::shared_ptr<ChoiceTeller> teller;
};
std::shared_ptr<ChoiceListener> listen_to_choice(ChoiceContext context);

}  // namespace hadal
