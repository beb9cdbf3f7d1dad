#include "serve/answer_routes.h"

#include "base/log.h"
#include "base/seconds.h"
#include "protocol/native.h"

#include <nlohmann/json.hpp>

#include <random>
#include <utility>

namespace hadal {
namespace {

ApiError submit_error(const Error& error) {
  if (error.code == ErrorCode::out_of_memory) return too_many_requests(error.message, 2);
  if (error.code == ErrorCode::unsupported)
    return {.kind = ApiError::Kind::overloaded, .message = error.message};
  return api_error(error);
}

}  // namespace

void AnswerRoutes::add_to(Router& router) {
  for (const char* path :
       {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})
    router.add("POST", path, this, &AnswerRoutes::generate);
  for (const char* path : {"/v1/messages/count_tokens", "/v1/responses/input_tokens"})
    router.add("POST", path, this, &AnswerRoutes::count_tokens);
  router.add("POST", "/apply-template", this, &AnswerRoutes::apply_template);
}

ParseOptions AnswerRoutes::parse_options() const {
  ParseOptions options;
  options.defaults = options_.defaults;
  options.new_id = fresh_id;
  options.find_response = [this](std::string_view id) { return responses_.conversation(id); };
  options.find_item = [this](std::string_view id) { return responses_.item(id); };
  return options;
}

Result<Prompt> AnswerRoutes::prompt_of(const ApiRequest& request) {
  return encode_prompt(
      request.conversation,
      {.think = request.thinking.resolve(options_.think), .release = options_.release},
      [this](const Message& message, bool with_reasoning) {
        return context_.turns.find(message, with_reasoning);
      });
}

Result<std::vector<PromptTokens>> AnswerRoutes::prompts_of(const ApiRequest& request) {
  std::vector<PromptTokens> prompts;
  if (request.protocol != Protocol::completions) {
    HADAL_ASSIGN(const Prompt prompt, prompt_of(request));
    PromptTokens tokens;
    tokens.ids = prompt.encode(context_.tokenizer, &tokens.turn_ends);
    tokens.opens_reasoning = prompt.opens_reasoning();
    prompts.push_back(std::move(tokens));
  }
  for (const TextPrompt& prompt : request.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.push_back({.ids = text != nullptr
                                  ? context_.tokenizer.encode(*text, SpecialTokens::parse)
                                  : std::get<std::vector<std::int32_t>>(prompt),
                       .turn_ends = {}});
  }
  for (PromptTokens& prompt : prompts) {
    // An empty prompt: the model begins a text.
    if (prompt.ids.empty()) prompt.ids.push_back(options_.bos);
    for (const std::int32_t id : prompt.ids) HADAL_TRY(check_token("prompt", id));
  }
  return prompts;
}

Result<void> AnswerRoutes::check_token(std::string_view field, std::int32_t id) const {
  if (id >= 0 && static_cast<std::size_t>(id) < context_.vocab_size) return {};
  return error(ErrorCode::invalid_argument, "{}: token id {} is outside of 0..{}", field, id,
               context_.vocab_size - 1);
}

void AnswerRoutes::generate(Exchange& exchange) {
  auto parsed = parse_request(exchange.protocol, exchange.request.body, parse_options());
  if (!parsed) return exchange.refuse(parsed.error());
  ApiRequest& request = *parsed;
  for (const std::string& tool : request.unoffered_tools)
    log_info("request", "id={} tool {} is not offered to the model", exchange.id, tool);
  for (const auto& [id, bias] : request.logit_bias)
    if (const auto checked = check_token("logit_bias", id); !checked)
      return exchange.refuse(checked.error());
  if (!request.seed) request.options.seed = std::random_device{}();
  auto prompts = prompts_of(request);
  if (!prompts) return exchange.refuse(prompts.error());
  for (const PromptTokens& prompt : *prompts) {
    if (prompt.ids.size() >= context_.context)
      return exchange.refuse(
          context_length_exceeded(prompt.ids.size(), context_.context, request.protocol));
  }
  auto rules = context_.grammars.rules_for(request, prompts->front().opens_reasoning);
  if (!rules) return exchange.refuse(rules.error());
  const AnswerHead head{
      .model = options_.model_name, .created_seconds = unix_seconds(), .new_id = fresh_id};
  OnAnswered on_answered = keeps(request);
  auto task =
      std::make_shared<AnswerTask>(context_, std::move(request), std::move(*prompts),
                                   std::move(*rules), head, exchange.id, exchange.responder);
  remember(task->id(), task);
  const auto started = task->start(exchange.request.client, std::move(on_answered));
  if (!started) return exchange.refuse(submit_error(started.error()));
}

/// What stores the response that the request asks to keep; empty if it asks for none.
OnAnswered AnswerRoutes::keeps(const ApiRequest& request) {
  if (request.protocol != Protocol::responses || !request.hints.store.value_or(true)) return {};
  return [this, previous = request.hints.previous_response_id,
          input = request.input_items](const std::string& body) {
    const auto json = nlohmann::ordered_json::parse(body, nullptr, false);
    const auto stored = responses_.put({.id = json.is_object() ? json.value("id", "") : "",
                                        .previous_id = previous,
                                        .created_seconds = unix_seconds(),
                                        .body = body,
                                        .input = input});
    if (!stored) log_warning("responses", "not stored: {}", stored.error().message);
  };
}

void AnswerRoutes::count_tokens(Exchange& exchange) {
  const auto request =
      exchange.protocol == Protocol::messages
          ? parse_messages_request(exchange.request.body, parse_options(),
                                   MessagesEndpoint::count_tokens)
          : parse_request(exchange.protocol, exchange.request.body, parse_options());
  if (!request) return exchange.refuse(request.error());
  const auto prompts = prompts_of(*request);
  if (!prompts) return exchange.refuse(prompts.error());
  const std::size_t n = prompts->front().ids.size();
  exchange.reply(exchange.protocol == Protocol::messages ? count_tokens_body(n)
                                                         : input_tokens_body(n));
}

void AnswerRoutes::apply_template(Exchange& exchange) {
  const auto request = parse_request(Protocol::chat, exchange.request.body, parse_options());
  if (!request) return exchange.refuse(request.error());
  const auto prompt = prompt_of(*request);
  if (!prompt) return exchange.refuse(prompt.error());
  exchange.reply(apply_template_body(prompt->text()));
}

// --- Answers under way

void AnswerRoutes::remember(const std::string& answer_id, const std::shared_ptr<AnswerTask>& task) {
  const std::lock_guard lock(mutex_);
  std::erase_if(tasks_, [](const auto& entry) { return entry.second.expired(); });
  tasks_[answer_id] = task;
}

std::shared_ptr<AnswerTask> AnswerRoutes::find_running(std::string_view answer_id) {
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(answer_id);
  return found == tasks_.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<AnswerTask>> AnswerRoutes::running() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<AnswerTask>> all;
  for (const auto& [id, weak] : tasks_)
    if (auto task = weak.lock()) all.push_back(std::move(task));
  return all;
}

void AnswerRoutes::tick() {
  for (const auto& task : running()) task->tick();
}

std::size_t AnswerRoutes::n_running() {
  return running().size();
}

}  // namespace hadal
