// The paths that generate: one for each protocol, and those that tell what a request would send to
// the model (api.md 3.1-3.3, 3.6).
#pragma once

#include "chat/language_model.h"
#include "chat/prompt.h"
#include "chat/prompt_encoder.h"
#include "protocol/request.h"
#include "serve/answer_task.h"
#include "serve/exchange.h"
#include "serve/response_store.h"
#include "serve/router.h"

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct AnswerRouteOptions {
  std::string model_name;
  CompletionOptions defaults{};
  ThinkMode think = ThinkMode::off;  ///< for requests that say nothing about it
  ModelRelease release = ModelRelease::preview;
  std::int32_t bos = 0;
};

/// Any thread.
class AnswerRoutes {
 public:
  /// Both must outlive the routes.
  AnswerRoutes(ServingContext& context, ResponseStore& responses, AnswerRouteOptions options)
      : context_(context), responses_(responses), options_(std::move(options)) {}

  void add_to(Router& router);
  /// Every second or so: answers that take long show that they live.
  void tick();
  /// By the id that its client was told; null: it is complete, or was never begun.
  std::shared_ptr<AnswerTask> find_running(std::string_view answer_id);
  /// Answers that are not complete.
  std::size_t n_running();

 private:
  void generate(Exchange& exchange);
  void count_tokens(Exchange& exchange);
  void apply_template(Exchange& exchange);

  ParseOptions parse_options() const;
  Result<Prompt> prompt_of(const ApiRequest& request);
  Result<std::vector<PromptTokens>> prompts_of(const ApiRequest& request);
  /// Errors: invalid_argument, naming the field: an id that the model has no row for.
  Result<void> check_token(std::string_view field, std::int32_t id) const;
  OnAnswered keeps(const ApiRequest& request);
  void remember(const std::string& answer_id, const std::shared_ptr<AnswerTask>& task);
  std::vector<std::shared_ptr<AnswerTask>> running();

  ServingContext& context_;
  ResponseStore& responses_;
  AnswerRouteOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<AnswerTask>, std::less<>> tasks_;  ///< by the answer's id
};

}  // namespace hadal
