#include "chat/python_json.h"
#include "protocol/field.h"
#include "protocol/json_text.h"
#include "protocol/request.h"
#include "protocol/request_fields.h"
#include "protocol/responses_input.h"
#include "protocol/tools.h"

#include <algorithm>
#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;

Result<void> refuse_responses_fields(const Field& body) {
  for (const std::string_view key : {"conversation", "prompt"})
    if (body.has(key))
      return refused(body.member(key), "this server does not support it; send the input itself");
  HADAL_ASSIGN(const auto background, optional_bool(body, "background"));
  if (background.value_or(false))
    return refused(body.member("background"), "this server answers while the client waits");
  HADAL_ASSIGN(const auto truncation, optional_name(body, "truncation", {"disabled", "auto"}));
  if (truncation == 1u)
    return refused(body.member("truncation"),
                   "this server leaves no items out; send \"disabled\", and a shorter input if it "
                   "is too long");
  return {};
}

/// reasoning {effort, summary}. The summary that is told is the reasoning itself.
Result<void> read_reasoning(const Field& body, Thinking& thinking) {
  if (!body.has("reasoning")) return {};
  const Field reasoning = body.member("reasoning");
  HADAL_TRY(check_object(reasoning, "an object"));
  HADAL_ASSIGN(thinking.mode, read_effort(reasoning, "effort"));
  HADAL_ASSIGN(const auto summary, optional_string(reasoning, "summary"));
  HADAL_ASSIGN(const auto generate_summary, optional_string(reasoning, "generate_summary"));
  const std::string wanted = summary ? *summary : generate_summary.value_or("none");
  thinking.as_summary = wanted != "none";
  return {};
}

/// text {format, verbosity}. Returns the JSON text for the prompt.
Result<std::string> read_text_config(const Field& body, ApiRequest& request) {
  if (!body.has("text")) return std::string{};
  const Field text = body.member("text");
  HADAL_TRY(check_object(text, "an object"));
  HADAL_ASSIGN(const auto verbosity, optional_name(text, "verbosity", {"low", "medium", "high"}));
  if (verbosity && *verbosity != 1)
    return refused(text.member("verbosity"), "only medium is supported");
  if (!text.has("format")) return std::string{};
  const Field format = text.member("format");
  HADAL_TRY(check_object(format, "an object with a type"));
  HADAL_ASSIGN(const auto type,
               optional_name(format, "type", {"text", "json_object", "json_schema"}));
  if (!type) return missing(format, "type", "text, json_object or json_schema");
  if (*type == 0) return std::string{};
  request.output = {static_cast<OutputFormat::Kind>(*type), {}, format.place};
  if (*type == 2) {
    if (!format.has("schema")) return missing(format, "schema", "a JSON schema");
    HADAL_TRY(check_object(format.member("schema"), "a JSON schema"));
    HADAL_ASSIGN(const auto strict, optional_bool(format, "strict"));
    request.output.text = json_text(format.member("schema").json);
    request.output.strict = strict.value_or(false);
  }
  return json_text(format.json);
}

Result<void> read_include(const Field& body, ApiRequest& request) {
  HADAL_ASSIGN(const auto include, optional_list(body, "include"));
  HADAL_ASSIGN(const auto top, optional_integer(body, "top_logprobs", 0, 20));
  for (const Field& element : include) {
    HADAL_ASSIGN(const std::string name, read_string(element));
    if (name == "reasoning.encrypted_content") request.thinking.encrypted = true;
    if (name == "message.output_text.logprobs")
      request.n_logprobs = static_cast<std::size_t>(top.value_or(0));
  }
  return {};
}

/// Stored text that one request may bring in by naming it: as much as a request itself may hold.
/// Without a bound a body of references would multiply the largest item by a million.
constexpr std::size_t kMostReferencedBytes = 64u << 20;

/// Takes the text's bytes from those that are left.
Result<void> spend(std::size_t& n_left, const std::string& text, std::string_view place) {
  if (text.size() > n_left) {
    return error(ErrorCode::invalid_argument,
                 "{}: the stored items that this request names are longer than {} MiB together",
                 place, kMostReferencedBytes >> 20);
  }
  n_left -= text.size();
  return {};
}

/// The prefix of ids of an item's type.
std::string_view id_prefix(const Json& item) {
  const std::string type = item.contains("type") && item["type"].is_string()
                               ? item["type"].get<std::string>()
                               : std::string("message");
  if (type == "reasoning") return "rs_";
  if (type == "function_call") return "fc_";
  if (type == "custom_tool_call") return "ctc_";
  return type == "message" ? "msg_" : "item_";
}

/// An item as a store keeps it: with type and id, and the content of a message as a list of parts.
std::string stored_item(Json item, const NewId& new_id) {
  if (!item.contains("type")) item["type"] = "message";
  if (item["type"] == "message" && item.contains("content") && item["content"].is_string()) {
    const bool is_output = item.value("role", "") == "assistant";
    Json part = {{"type", is_output ? "output_text" : "input_text"}, {"text", item["content"]}};
    if (is_output) part["annotations"] = Json::array();
    item["content"] = Json::array({std::move(part)});
  }
  const bool has_id = item.contains("id") && item["id"].is_string();
  if (!has_id && new_id) item["id"] = new_id(id_prefix(item));
  return json_text(item);
}

Result<Json> find_referenced(const Field& item, const ParseOptions& options, std::size_t& n_left) {
  HADAL_ASSIGN(const std::string id, required_string(item, "id"));
  if (!options.find_item) return refused(item, "this server stores no items; send the item itself");
  const auto text = options.find_item(id);
  if (!text) return error(text.error().code, "{}.id: {}", item.place, text.error().message);
  HADAL_TRY(spend(n_left, *text, item.place));
  return parse_exact_json(*text, item.place);
}

Result<void> add_items(const Field& list, const ParseOptions& options, std::size_t& n_left,
                       ResponsesInput& input, std::vector<std::string>& stored) {
  for (std::size_t i = 0; i < list.json.size(); ++i) {
    const Field item = list.element(i);
    if (!item.has("type") || item.member("type").json != "item_reference") {
      HADAL_TRY(input.add(item));
      stored.push_back(stored_item(item.json, options.new_id));
      continue;
    }
    HADAL_ASSIGN(const Json found, find_referenced(item, options, n_left));
    HADAL_TRY(input.add({found, item.place}));
    stored.push_back(json_text(found));
  }
  return {};
}

Result<void> add_previous(const Field& body, const ParseOptions& options, ApiRequest& request,
                          std::size_t& n_left, ResponsesInput& input) {
  HADAL_ASSIGN(const auto id, optional_string(body, "previous_response_id"));
  if (!id) return {};
  request.hints.previous_response_id = *id;
  const Field field = body.member("previous_response_id");
  if (!options.find_response)
    return refused(field, "this server stores no responses; send the whole input");
  const auto text = options.find_response(*id);
  if (!text) return error(text.error().code, "{}: {}", field.place, text.error().message);
  HADAL_TRY(spend(n_left, *text, field.place));
  HADAL_ASSIGN(const Json items, parse_exact_json(*text, field.place));
  std::vector<std::string> ignored;
  return add_items({items, field.place}, options, n_left, input, ignored);
}

Result<void> read_input(const Field& body, const ParseOptions& options, ApiRequest& request) {
  ResponsesInput input(request.conversation);
  std::size_t n_left = kMostReferencedBytes;
  HADAL_ASSIGN(const auto instructions, optional_string(body, "instructions"));
  if (instructions && !instructions->empty())
    request.conversation.messages.push_back({.role = Role::system, .content = *instructions});
  HADAL_TRY(add_previous(body, options, request, n_left, input));
  if (!body.has("input")) return missing(body, "input", "a string or a list of items");
  const Field field = body.member("input");
  if (field.json.is_string()) {
    const Json item = {{"type", "message"}, {"role", "user"}, {"content", field.json}};
    HADAL_TRY(input.add({item, field.place}));
    request.input_items.push_back(stored_item(item, options.new_id));
    return {};
  }
  if (!field.json.is_array()) return unexpected(field, "a string or a list of items");
  HADAL_TRY(add_items(field, options, n_left, input, request.input_items));
  const auto& messages = request.conversation.messages;
  const bool has_turn = std::any_of(messages.begin(), messages.end(),
                                    [](const Message& m) { return m.role != Role::system; });
  if (!has_turn) return unexpected(field, "at least one message");
  return {};
}

/// What the response repeats, in the order of OpenAI's documentation.
std::string response_fields(const Field& body, const ApiRequest& request) {
  const auto repeat = [&](std::string_view key, Json otherwise) {
    const Json* value = body.find(key);
    return value != nullptr ? *value : otherwise;
  };
  Json tools = Json::array();
  for (const Json& tool : repeat("tools", Json::array())) {
    if (!is_unoffered_tool(tool.value("type", ""))) tools.push_back(tool);
  }
  Json reasoning = {{"effort", nullptr}, {"summary", nullptr}};
  reasoning.update(repeat("reasoning", Json::object()));
  Json text = repeat("text", Json::object());
  if (!text.contains("format")) text["format"] = {{"type", "text"}};
  Json fields = {{"instructions", repeat("instructions", nullptr)},
                 {"max_output_tokens", repeat("max_output_tokens", nullptr)},
                 {"parallel_tool_calls", request.parallel_tool_calls},
                 {"previous_response_id", repeat("previous_response_id", nullptr)},
                 {"reasoning", std::move(reasoning)},
                 {"service_tier", "default"},
                 {"store", request.hints.store.value_or(true)},
                 {"temperature", repeat("temperature", 1.0)},
                 {"text", std::move(text)},
                 {"tool_choice", repeat("tool_choice", "auto")},
                 {"tools", std::move(tools)},
                 {"top_logprobs", repeat("top_logprobs", 0)},
                 {"top_p", repeat("top_p", 1.0)},
                 {"truncation", "disabled"},
                 {"user", repeat("user", nullptr)},
                 {"prompt_cache_key", repeat("prompt_cache_key", nullptr)},
                 {"metadata", repeat("metadata", Json::object())}};
  return json_text(fields);
}

}  // namespace

Result<ApiRequest> parse_responses_request(std::string_view text, const ParseOptions& options) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(ApiRequest request, begin_request(Protocol::responses, body, options));
  HADAL_TRY(refuse_responses_fields(body));
  HADAL_TRY(read_sampling(body, 2, "stop", request));
  HADAL_TRY(read_max_tokens(body, "max_output_tokens", request));
  HADAL_TRY(read_reasoning(body, request.thinking));
  HADAL_TRY(read_include(body, request));
  HADAL_TRY(read_responses_tools(body, request));
  HADAL_TRY(read_input(body, options, request));
  HADAL_ASSIGN(const std::string response_format, read_text_config(body, request));
  HADAL_TRY(finish_conversation(response_format, request));
  request.response_fields = response_fields(body, request);
  return request;
}

}  // namespace hadal
