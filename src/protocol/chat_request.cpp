#include "chat/message_json.h"
#include "protocol/custom_tool.h"
#include "protocol/field.h"
#include "protocol/request.h"
#include "protocol/request_fields.h"
#include "protocol/tools.h"

#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;

/// Source name that read_conversation puts before its messages; taken off again.
constexpr std::string_view kSource = "request";

/// Parts that read_conversation knows as text. Refusals of the assistant are text for the model.
Result<void> settle_part(const Field& field, Json& part) {
  HADAL_ASSIGN(const std::string type, type_of(field, "a content part"));
  if (type == "text") return {};
  if (type == "refusal") {
    HADAL_ASSIGN(std::string text, required_string(field, "refusal"));
    part = {{"type", "text"}, {"text", std::move(text)}};
    return {};
  }
  if (type == "tool_result") {
    HADAL_ASSIGN(const auto nested, field.has("content") && field.member("content").json.is_array()
                                        ? optional_list(field, "content")
                                        : Result<std::vector<Field>>(std::vector<Field>{}));
    for (std::size_t i = 0; i < nested.size(); ++i)
      HADAL_TRY(settle_part(nested[i], part["content"][i]));
    return {};
  }
  return refused(field.member("type"), "the model reads text only; send a part of type text");
}

/// Calls of custom tools become calls of the function that stands for them.
Result<void> settle_call(const Field& field, Json& call) {
  if (!field.has("custom")) return {};
  const Field custom = field.member("custom");
  HADAL_TRY(check_object(custom, "an object with name and input"));
  HADAL_ASSIGN(const std::string name, required_string(custom, "name"));
  HADAL_ASSIGN(const auto input, optional_string(custom, "input"));
  call["function"] = {{"name", name}, {"arguments", custom_tool_arguments(input.value_or(""))}};
  return {};
}

Result<void> settle_message(const Field& field, Json& message) {
  HADAL_TRY(check_object(field, "an object with role and content"));
  if (field.has("audio")) return refused(field.member("audio"), "the model reads text only");
  if (field.has("function_call"))
    return refused(field.member("function_call"), "send tool_calls, which replaced it");
  if (field.has("content") && field.member("content").json.is_array()) {
    const Field content = field.member("content");
    for (std::size_t i = 0; i < content.json.size(); ++i)
      HADAL_TRY(settle_part(content.element(i), message["content"][i]));
  }
  if (!field.has("content") && field.has("refusal")) {
    HADAL_ASSIGN(message["content"], required_string(field, "refusal"));
  }
  if (field.has("tool_calls") && field.member("tool_calls").json.is_array()) {
    const Field calls = field.member("tool_calls");
    for (std::size_t i = 0; i < calls.json.size(); ++i)
      HADAL_TRY(settle_call(calls.element(i), message["tool_calls"][i]));
  }
  return {};
}

Result<Conversation> read_messages(const Field& body) {
  if (!body.has("messages")) return missing(body, "messages", "a list of messages");
  const Field field = body.member("messages");
  Json messages = field.json;
  if (field.json.is_array())
    for (std::size_t i = 0; i < messages.size(); ++i)
      HADAL_TRY(settle_message(field.element(i), messages[i]));
  auto conversation = read_conversation(Json{{"messages", std::move(messages)}}, kSource);
  if (conversation) return conversation;
  Error error = conversation.error();
  error.message.erase(0, kSource.size() + 2);
  return error;
}

Result<void> refuse_chat_fields(const Field& body) {
  for (const std::string_view key : {"functions", "function_call"})
    if (body.has(key) && !body.member(key).json.empty())
      return refused(body.member(key), "send tools and tool_choice, which replaced it");
  if (body.has("audio")) return refused(body.member("audio"), "the model writes text only");
  if (body.has("web_search_options"))
    return refused(body.member("web_search_options"), "this server searches no web");
  HADAL_ASSIGN(const auto modalities, optional_list(body, "modalities"));
  for (const Field& modality : modalities)
    if (modality.json != "text") return refused(modality, "the model writes text only");
  HADAL_ASSIGN(const auto verbosity, optional_name(body, "verbosity", {"low", "medium", "high"}));
  if (verbosity && *verbosity != 1)
    return refused(body.member("verbosity"), "only medium is supported");
  return {};
}

Result<void> read_logprobs(const Field& body, ApiRequest& request) {
  HADAL_ASSIGN(const auto wanted, optional_bool(body, "logprobs"));
  HADAL_ASSIGN(const auto top, optional_integer(body, "top_logprobs", 0, 20));
  if (top.value_or(0) > 0 && !wanted.value_or(false))
    return unexpected(body.member("top_logprobs"), "logprobs: true beside it");
  if (wanted.value_or(false)) request.n_logprobs = static_cast<std::size_t>(top.value_or(0));
  return {};
}

}  // namespace

Result<ApiRequest> parse_chat_request(std::string_view text, const ParseOptions& options) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(ApiRequest request, begin_request(Protocol::chat, body, options));
  HADAL_TRY(refuse_chat_fields(body));
  HADAL_TRY(read_sampling(body, 2, "stop", request));
  HADAL_TRY(
      read_first_max_tokens(body, {"max_completion_tokens", "max_tokens", "n_predict"}, request));
  HADAL_TRY(read_logprobs(body, request));
  HADAL_TRY(read_chat_thinking(body, request));
  HADAL_ASSIGN(request.conversation, read_messages(body));
  HADAL_TRY(read_chat_tools(body, request));
  HADAL_ASSIGN(const std::string response_format, read_output_format(body, request));
  HADAL_TRY(finish_conversation(response_format, request));
  return request;
}

Result<ApiRequest> parse_request(Protocol protocol, std::string_view body,
                                 const ParseOptions& options) {
  switch (protocol) {
    case Protocol::chat:
      return parse_chat_request(body, options);
    case Protocol::completions:
      return parse_completions_request(body, options);
    case Protocol::responses:
      return parse_responses_request(body, options);
    case Protocol::messages:
      return parse_messages_request(body, options);
  }
  return error(ErrorCode::unsupported, "unknown protocol");
}

}  // namespace hadal
