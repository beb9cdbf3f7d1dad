#include "serve/answer_routes.h"

#include "base/log.h"
#include "http/url.h"
#include "protocol/native.h"
#include "protocol/responses_items.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <random>
#include <utility>

namespace hadal {
namespace {

/// Items of GET /v1/responses/{id}/input_items unless `limit` says otherwise, and at most.
constexpr std::size_t kItemsPerPage = 20;
constexpr std::size_t kMostItemsPerPage = 100;

std::uint64_t now_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

ApiError submit_error(const Error& error) {
  if (error.code == ErrorCode::out_of_memory) return too_many_requests(error.message, 2);
  if (error.code == ErrorCode::unsupported)
    return {.kind = ApiError::Kind::overloaded, .message = error.message};
  return api_error(error);
}

std::string text_of(const nlohmann::ordered_json& object, std::string_view key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

void AnswerRoutes::add_to(Router& router) {
  const auto handled_by = [this](void (AnswerRoutes::*handler)(Exchange&)) {
    return [this, handler](Exchange& exchange) { (this->*handler)(exchange); };
  };
  for (const char* path :
       {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})
    router.add("POST", path, handled_by(&AnswerRoutes::generate));
  for (const char* path : {"/v1/messages/count_tokens", "/v1/responses/input_tokens"})
    router.add("POST", path, handled_by(&AnswerRoutes::count_tokens));
  router.add("POST", "/apply-template", handled_by(&AnswerRoutes::apply_template));
  router.add("GET", "/v1/responses/{}", handled_by(&AnswerRoutes::get_response));
  router.add("DELETE", "/v1/responses/{}", handled_by(&AnswerRoutes::delete_response));
  router.add("GET", "/v1/responses/{}/input_items", handled_by(&AnswerRoutes::get_input_items));
  router.add("POST", "/v1/responses/{}/cancel", handled_by(&AnswerRoutes::cancel_response));
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
    for (const std::int32_t id : prompt.ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= context_.vocab_size) {
        return error(ErrorCode::invalid_argument, "prompt: token id {} is outside of 0..{}", id,
                     context_.vocab_size - 1);
      }
    }
  }
  return prompts;
}

void AnswerRoutes::generate(Exchange& exchange) {
  auto parsed = parse_request(exchange.protocol, exchange.request.body, parse_options());
  if (!parsed) return exchange.refuse(parsed.error());
  ApiRequest& request = *parsed;
  for (const std::string& tool : request.unoffered_tools)
    log_info("request", "id={} tool {} is not offered to the model", exchange.id, tool);
  if (!request.seed) request.options.seed = std::random_device{}();
  auto prompts = prompts_of(request);
  if (!prompts) return exchange.refuse(prompts.error());
  for (const PromptTokens& prompt : *prompts) {
    if (prompt.ids.size() >= context_.context)
      return exchange.refuse(context_length_exceeded(prompt.ids.size(), context_.context));
  }
  auto rules = context_.grammars.rules_for(request, prompts->front().opens_reasoning);
  if (!rules) return exchange.refuse(rules.error());
  const AnswerHead head{
      .model = options_.model_name, .created_seconds = now_seconds(), .new_id = fresh_id};
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
    const auto stored = responses_.put({.id = json.is_object() ? text_of(json, "id") : "",
                                        .previous_id = previous,
                                        .created_seconds = now_seconds(),
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

// --- Stored responses

void AnswerRoutes::get_response(Exchange& exchange) {
  if (query_value(exchange.request.query, "stream").value_or("false") == "true") {
    return exchange.refuse({.kind = ApiError::Kind::invalid_request,
                            .message = "stored responses are not streamed again",
                            .field = "stream"});
  }
  auto body = responses_.body(exchange.parameters.front());
  if (!body) return exchange.refuse(body.error());
  exchange.reply(std::move(*body));
}

void AnswerRoutes::get_input_items(Exchange& exchange) {
  auto items = responses_.input_items(exchange.parameters.front());
  if (!items) return exchange.refuse(items.error());
  const std::string_view query = exchange.request.query;
  std::size_t limit = kItemsPerPage;
  if (const auto wish = query_value(query, "limit")) {
    const auto read = std::from_chars(wish->data(), wish->data() + wish->size(), limit);
    if (read.ec != std::errc() || read.ptr != wish->data() + wish->size() || limit < 1 ||
        limit > kMostItemsPerPage) {
      return exchange.refuse({.kind = ApiError::Kind::invalid_request,
                              .message = "limit: expected a number from 1 to 100",
                              .field = "limit"});
    }
  }
  // The newest first, unless asked otherwise (as OpenAI documents).
  if (query_value(query, "order").value_or("desc") != "asc")
    std::reverse(items->begin(), items->end());
  if (const auto after = query_value(query, "after")) {
    const auto at = std::find_if(items->begin(), items->end(), [&](const std::string& item) {
      return text_of(nlohmann::ordered_json::parse(item, nullptr, false), "id") == *after;
    });
    items->erase(items->begin(), at == items->end() ? at : at + 1);
  }
  const bool has_more = items->size() > limit;
  if (has_more) items->resize(limit);
  exchange.reply(input_items_body(*items, has_more));
}

void AnswerRoutes::delete_response(Exchange& exchange) {
  const std::string& id = exchange.parameters.front();
  const auto erased = responses_.erase(id);
  if (!erased) return exchange.refuse(erased.error());
  exchange.reply(deleted_response_body(id));
}

/// Ends a response that streams to somebody; one that is complete is told as it is.
void AnswerRoutes::cancel_response(Exchange& exchange) {
  const std::string& id = exchange.parameters.front();
  std::shared_ptr<AnswerTask> task;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = tasks_.find(id); found != tasks_.end()) task = found->second.lock();
  }
  if (task) {
    task->cancel();
    const AnswerHead head{
        .model = options_.model_name, .created_seconds = now_seconds(), .new_id = fresh_id};
    return exchange.reply(
        response_object(id, head, ResponseJson::object(), {.status = "cancelled"}).dump());
  }
  auto body = responses_.body(id);
  if (!body) return exchange.refuse(body.error());
  exchange.reply(std::move(*body));
}

// --- Answers under way

void AnswerRoutes::remember(const std::string& answer_id, const std::shared_ptr<AnswerTask>& task) {
  const std::lock_guard lock(mutex_);
  std::erase_if(tasks_, [](const auto& entry) { return entry.second.expired(); });
  tasks_[answer_id] = task;
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
