#include "protocol/api_error.h"
#include "protocol/field.h"
#include "protocol/json_text.h"
#include "protocol/messages_content.h"
#include "protocol/request.h"
#include "protocol/request_fields.h"
#include "protocol/tools.h"

#include <initializer_list>
#include <iterator>
#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;

Result<void> read_conversation_blocks(const Field& body, Conversation& conversation) {
  auto& messages = conversation.messages;
  if (body.has("system")) {
    HADAL_ASSIGN(std::string system, read_text_blocks(body.member("system")));
    if (!system.empty()) messages.push_back({.role = Role::system, .content = std::move(system)});
  }
  HADAL_ASSIGN(const auto list, required_list(body, "messages"));
  if (list.empty()) return unexpected(body.member("messages"), "at least one message");
  for (const Field& field : list) {
    HADAL_ASSIGN(auto read, read_anthropic_message(field));
    std::move(read.begin(), read.end(), std::back_inserter(messages));
  }
  if (messages.empty() || (messages.size() == 1 && messages.front().role == Role::system))
    return unexpected(body.member("messages"), "a message with content");
  return {};
}

/// enabled and adaptive think; the effort chooses how much. An effort by itself switches nothing
/// on.
Result<void> read_thinking(const Field& body, std::optional<ThinkMode> effort, Thinking& thinking) {
  const ThinkMode level = effort.value_or(ThinkMode::high);
  if (effort) thinking.level = level;
  if (!body.has("thinking")) return {};
  const Field field = body.member("thinking");
  HADAL_TRY(check_object(field, "an object with a type"));
  HADAL_ASSIGN(const auto type, optional_name(field, "type", {"disabled", "enabled", "adaptive"}));
  if (!type) return missing(field, "type", "enabled, disabled or adaptive");
  HADAL_ASSIGN(const auto budget, optional_integer(field, "budget_tokens", 1, 1'000'000'000));
  HADAL_ASSIGN(const auto display, optional_string(field, "display"));
  thinking.mode = *type == 0 ? ThinkMode::off : level;
  if (budget && *type == 1) thinking.budget_tokens = static_cast<std::size_t>(*budget);
  thinking.is_shown = display != "omitted";
  return {};
}

/// {"type": "json_schema", "schema"}. Returns the JSON text for the prompt.
Result<std::string> read_format(const Field& format, ApiRequest& request) {
  HADAL_ASSIGN(const std::string type, type_of(format, "a format"));
  if (type != "json_schema") return unexpected(format.member("type"), "\"json_schema\"");
  if (!format.has("schema")) return missing(format, "schema", "a JSON schema");
  HADAL_TRY(check_object(format.member("schema"), "a JSON schema"));
  request.output = {OutputFormat::Kind::json_schema, json_text(format.member("schema").json),
                    format.place};
  return json_text(format.json);
}

/// output_config {effort, format}; `output_format` is the beta's name of the latter. Returns the
/// JSON text for the prompt.
Result<std::string> read_output_config(const Field& body, std::optional<ThinkMode>& effort,
                                       ApiRequest& request) {
  bool has_format = false;
  if (body.has("output_config")) {
    const Field config = body.member("output_config");
    HADAL_TRY(check_object(config, "an object"));
    HADAL_ASSIGN(effort, read_effort(config, "effort"));
    has_format = config.has("format");
  }
  if (body.has("output_format")) {
    const Field format = body.member("output_format");
    if (has_format) return unexpected(format, "one format, but output_config has another one");
    return read_format(format, request);
  }
  if (!has_format) return std::string{};
  return read_format(body.member("output_config").member("format"), request);
}

/// An edit of context_management that leaves the context as it is: all thinking is kept.
Result<void> check_edit(const Field& edit) {
  HADAL_ASSIGN(const std::string type, type_of(edit, "an edit"));
  if (!type.starts_with("clear_thinking"))
    return refused(edit.member("type"), "this server clears nothing by itself; leave the edit out");
  if (!edit.has("keep")) return missing(edit, "keep", "\"all\", as this server clears nothing");
  const Field keep = edit.member("keep");
  const Json* kind = keep.json.is_object() ? keep.find("type") : &keep.json;
  if (kind == nullptr || *kind != "all")
    return refused(keep, "this server clears nothing by itself; keep \"all\"");
  return {};
}

/// Claude Code sends edits unasked.
Result<void> check_context_management(const Field& body) {
  if (!body.has("context_management")) return {};
  const Field management = body.member("context_management");
  HADAL_TRY(check_object(management, "an object with edits"));
  HADAL_ASSIGN(const auto edits, optional_list(management, "edits"));
  for (const Field& edit : edits) HADAL_TRY(check_edit(edit));
  return {};
}

Result<void> refuse_messages_fields(const Field& body) {
  for (const std::string_view key :
       std::initializer_list<std::string_view>{"container", "mcp_servers", kThreadField})
    if (body.has(key) && !body.member(key).json.empty())
      return refused(body.member(key), "this server does not support it; leave it out");
  return check_context_management(body);
}

Result<void> read_user_id(const Field& body, ClientHints& hints) {
  if (!body.has("metadata")) return {};
  HADAL_ASSIGN(const auto user_id, optional_string(body.member("metadata"), "user_id"));
  if (user_id) hints.user = *user_id;
  return {};
}

}  // namespace

Result<ApiRequest> parse_messages_request(std::string_view text, const ParseOptions& options,
                                          MessagesEndpoint endpoint) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(ApiRequest request, begin_request(Protocol::messages, body, options));
  HADAL_TRY(refuse_messages_fields(body));
  HADAL_TRY(read_sampling(body, 1, "stop_sequences", request));
  HADAL_ASSIGN(const auto max_tokens, optional_integer(body, "max_tokens", 0, 1'000'000'000));
  if (!max_tokens && endpoint == MessagesEndpoint::messages)
    return missing(body, "max_tokens", "an integer");
  request.options.max_tokens = static_cast<std::size_t>(max_tokens.value_or(0));
  request.prefill_only = max_tokens == 0;
  HADAL_TRY(read_user_id(body, request.hints));
  std::optional<ThinkMode> effort;
  HADAL_ASSIGN(const std::string response_format, read_output_config(body, effort, request));
  HADAL_TRY(read_thinking(body, effort, request.thinking));
  HADAL_TRY(read_conversation_blocks(body, request.conversation));
  HADAL_TRY(read_messages_tools(body, request));
  HADAL_TRY(finish_conversation(response_format, request));
  return request;
}

}  // namespace hadal
