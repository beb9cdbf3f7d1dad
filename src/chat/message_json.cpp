#include "chat/message_json.h"

#include "chat/describe_json.h"
#include "chat/python_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<Role, std::string_view>, 6> kRoleNames = {{
    {Role::system, "system"},
    {Role::developer, "developer"},
    {Role::user, "user"},
    {Role::assistant, "assistant"},
    {Role::tool, "tool"},
    {Role::latest_reminder, "latest_reminder"},
}};

constexpr std::array<std::pair<Task, std::string_view>, 6> kTaskNames = {{
    {Task::action, "action"},
    {Task::query, "query"},
    {Task::authority, "authority"},
    {Task::domain, "domain"},
    {Task::title, "title"},
    {Task::read_url, "read_url"},
}};

template <typename Table>
auto find_by_name(const Table& table, std::string_view name)
    -> std::optional<typename Table::value_type::first_type> {
  for (const auto& [value, text] : table)
    if (text == name) return value;
  return std::nullopt;
}

template <typename Table>
std::string all_names(const Table& table) {
  std::string names;
  for (const auto& entry : table) names += (names.empty() ? "" : ", ") + std::string(entry.second);
  return names;
}

/// A value and where it stands, for messages such as "FILE: messages[3].content: expected ...,
/// found ...".
struct Node {
  const Json& json;
  std::string place;

  /// The member `key`, or nullptr when it is absent or null.
  const Json* find(const char* key) const {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? nullptr : &*found;
  }
  Node member(const char* key) const { return {json.at(key), place + "." + key}; }
  Node element(std::size_t i) const { return {json.at(i), fmt::format("{}[{}]", place, i)}; }
};

Error unexpected(const Node& node, std::string_view expected) {
  return error(ErrorCode::invalid_argument, "{}: expected {}, found {}", node.place, expected,
               describe_json(node.json));
}

Result<std::string> read_string(const Node& node) {
  if (!node.json.is_string()) return unexpected(node, "a string");
  return node.json.get<std::string>();
}

/// The member as text; empty when it is absent or null.
Result<std::string> read_optional_string(const Node& node, const char* key) {
  if (node.find(key) == nullptr) return std::string{};
  return read_string(node.member(key));
}

Result<std::string> part_type(const Node& part) {
  if (!part.json.is_object()) return unexpected(part, "an object with a type");
  if (part.find("type") == nullptr)
    return error(ErrorCode::invalid_argument,
                 "{}: expected the key \"type\", such as \"text\"; it is missing", part.place);
  return read_string(part.member("type"));
}

/// A part of a list of contents, as text.
Result<std::string> read_part(const Node& part) {
  HADAL_ASSIGN(const std::string type, part_type(part));
  if (type == "text") return read_optional_string(part, "text");
  return fmt::format("[Unsupported {}]", type);
}

/// Content as text: null, a string, or a list of parts joined by two newlines.
Result<std::string> read_text(const Node& node) {
  if (node.json.is_null()) return std::string{};
  if (node.json.is_string()) return node.json.get<std::string>();
  if (!node.json.is_array()) return unexpected(node, "a string or a list of parts");
  std::string text;
  for (std::size_t i = 0; i < node.json.size(); ++i) {
    HADAL_ASSIGN(const std::string part, read_part(node.element(i)));
    if (i > 0) text += "\n\n";
    text += part;
  }
  return text;
}

Result<std::string> read_optional_text(const Node& node, const char* key) {
  if (node.find(key) == nullptr) return std::string{};
  return read_text(node.member(key));
}

/// Arguments as text: OpenAI sends a string; an object is accepted too.
Result<std::string> read_arguments(const Node& function) {
  const Json* arguments = function.find("arguments");
  if (arguments == nullptr) return std::string("{}");
  if (arguments->is_object()) return python_json(*arguments);
  if (!arguments->is_string())
    return unexpected(function.member("arguments"), "a string with JSON, or an object");
  return arguments->get<std::string>();
}

Result<ToolCall> read_tool_call(const Node& node) {
  if (!node.json.is_object()) return unexpected(node, "an object with id and function");
  if (node.find("function") == nullptr)
    return error(ErrorCode::invalid_argument,
                 "{}: expected the key \"function\" with name and arguments; it is missing",
                 node.place);
  const Node function = node.member("function");
  if (!function.json.is_object()) return unexpected(function, "an object with name and arguments");
  if (function.find("name") == nullptr)
    return error(ErrorCode::invalid_argument, "{}: expected the key \"name\"; it is missing",
                 function.place);
  ToolCall call;
  HADAL_ASSIGN(call.id, read_optional_string(node, "id"));
  HADAL_ASSIGN(call.name, read_string(function.member("name")));
  HADAL_ASSIGN(call.arguments, read_arguments(function));
  return call;
}

/// One entry of `tools`: {"type": "function", "function": {...}}, or the function object by itself.
Result<ToolDefinition> read_tool(const Node& node) {
  if (!node.json.is_object()) return unexpected(node, "an object with a function");
  const bool wrapped = node.find("function") != nullptr;
  const Node function = wrapped ? node.member("function") : Node{node.json, node.place};
  if (!function.json.is_object())
    return unexpected(function, "an object with name, description and parameters");
  const Json* name = function.find("name");
  if (name == nullptr || !name->is_string())
    return error(ErrorCode::invalid_argument,
                 "{}: expected the key \"name\" with the name of the function, found {}",
                 function.place, name == nullptr ? "none" : describe_json(*name));
  return ToolDefinition{python_json(function.json)};
}

/// A list under `key`, each element read by `read`; empty when the key is absent or null.
template <typename T>
Result<std::vector<T>> read_list(const Node& node, const char* key,
                                 Result<T> (*read)(const Node&)) {
  std::vector<T> list;
  if (node.find(key) == nullptr) return list;
  const Node array = node.member(key);
  if (!array.json.is_array()) return unexpected(array, "a list");
  for (std::size_t i = 0; i < array.json.size(); ++i) {
    HADAL_ASSIGN(T value, read(array.element(i)));
    list.push_back(std::move(value));
  }
  return list;
}

Result<std::optional<std::string>> read_response_format(const Node& node) {
  const Json* format = node.find("response_format");
  if (format == nullptr) return std::optional<std::string>{};
  if (!format->is_object()) return unexpected(node.member("response_format"), "an object");
  if (format->empty()) return std::optional<std::string>{};
  return std::optional<std::string>{python_json(*format)};
}

Result<std::optional<Task>> read_task(const Node& node) {
  if (node.find("task") == nullptr) return std::optional<Task>{};
  const Node member = node.member("task");
  HADAL_ASSIGN(const std::string name, read_string(member));
  const auto task = task_from_name(name);
  if (!task) return unexpected(member, "one of " + all_names(kTaskNames));
  return task;
}

Result<Role> read_role(const Node& node) {
  if (node.find("role") == nullptr)
    return error(ErrorCode::invalid_argument,
                 "{}: expected the key \"role\", one of {}; it is missing", node.place,
                 all_names(kRoleNames));
  const Node member = node.member("role");
  HADAL_ASSIGN(const std::string name, read_string(member));
  const auto role = role_from_name(name);
  if (!role) return unexpected(member, "one of " + all_names(kRoleNames));
  return *role;
}

Result<Message> read_fields(const Node& node, Role role) {
  Message message;
  message.role = role;
  HADAL_ASSIGN(message.reasoning_content, read_optional_string(node, "reasoning_content"));
  if (message.reasoning_content.empty()) {
    HADAL_ASSIGN(message.reasoning_content, read_optional_string(node, "reasoning"));
  }
  HADAL_ASSIGN(message.tool_calls, read_list<ToolCall>(node, "tool_calls", read_tool_call));
  HADAL_ASSIGN(message.tool_call_id, read_optional_string(node, "tool_call_id"));
  HADAL_ASSIGN(message.tools, read_list<ToolDefinition>(node, "tools", read_tool));
  HADAL_ASSIGN(message.response_format, read_response_format(node));
  HADAL_ASSIGN(message.task, read_task(node));
  if (const Json* wo_eos = node.find("wo_eos")) {
    if (!wo_eos->is_boolean()) return unexpected(node.member("wo_eos"), "true or false");
    message.wo_eos = wo_eos->get<bool>();
  }
  return message;
}

bool has_tool_results(const Json* content) {
  return content != nullptr && content->is_array() &&
         std::any_of(content->begin(), content->end(), [](const Json& part) {
           const auto type = part.is_object() ? part.find("type") : part.end();
           return type != part.end() && *type == "tool_result";
         });
}

/// A user message that mixes text and `tool_result` parts is the same as that many messages in a
/// row, because neighbouring tool and user messages are joined in the prompt.
Result<std::vector<Message>> read_user_parts(const Node& node, const Message& fields) {
  std::vector<Message> messages;
  const Node content = node.member("content");
  for (std::size_t i = 0; i < content.json.size(); ++i) {
    const Node part = content.element(i);
    HADAL_ASSIGN(const std::string type, part_type(part));
    Message message{.role = type == "tool_result" ? Role::tool : Role::user, .content = {}};
    if (type == "tool_result") {
      HADAL_ASSIGN(message.tool_call_id, read_optional_string(part, "tool_use_id"));
      HADAL_ASSIGN(message.content, read_optional_text(part, "content"));
    } else {
      HADAL_ASSIGN(message.content, read_part(part));
    }
    messages.push_back(std::move(message));
  }
  messages.front().tools = fields.tools;
  messages.back().task = fields.task;
  return messages;
}

Result<std::vector<Message>> read_message(const Node& node) {
  if (!node.json.is_object()) return unexpected(node, "an object with role and content");
  HADAL_ASSIGN(const Role role, read_role(node));
  HADAL_ASSIGN(Message message, read_fields(node, role));
  if (role == Role::user && has_tool_results(node.find("content")))
    return read_user_parts(node, message);
  HADAL_ASSIGN(message.content, read_optional_text(node, "content"));
  return std::vector<Message>{std::move(message)};
}

/// `tools` and `response_format` beside `messages` belong to the system message.
Result<void> add_request_fields(const Node& body, Conversation& conversation) {
  HADAL_ASSIGN(auto tools, read_list<ToolDefinition>(body, "tools", read_tool));
  HADAL_ASSIGN(auto format, read_response_format(body));
  const Json* format_json = body.find("response_format");
  if (format && format_json->value("type", Json()) == "text") format.reset();
  if (tools.empty() && !format) return {};
  auto& messages = conversation.messages;
  auto system = std::find_if(messages.begin(), messages.end(),
                             [](const Message& m) { return m.role == Role::system; });
  if (system == messages.end())
    system = messages.insert(messages.begin(), Message{.role = Role::system, .content = {}});
  system->tools.insert(system->tools.end(), tools.begin(), tools.end());
  if (format) system->response_format = std::move(format);
  return {};
}

}  // namespace

Result<Conversation> read_conversation(const Json& body, std::string_view source) {
  const Node root{body, fmt::format("{}: body", source)};
  if (!body.is_object()) return unexpected(root, "an object {\"messages\": [...]}");
  const Json* list = root.find("messages");
  if (list == nullptr)
    return error(ErrorCode::invalid_argument,
                 "{}: expected the key \"messages\" with a list of messages; it is missing",
                 source);
  const Node messages{*list, fmt::format("{}: messages", source)};
  if (!list->is_array()) return unexpected(messages, "a list of messages");
  if (list->empty()) return unexpected(messages, "at least one message");
  Conversation conversation;
  for (std::size_t i = 0; i < list->size(); ++i) {
    HADAL_ASSIGN(auto read, read_message(messages.element(i)));
    std::move(read.begin(), read.end(), std::back_inserter(conversation.messages));
  }
  HADAL_TRY(add_request_fields(root, conversation));
  return conversation;
}

Result<Conversation> parse_conversation(std::string_view json_text, std::string_view source) {
  HADAL_ASSIGN(const Json body, parse_exact_json(json_text, source));
  return read_conversation(body, source);
}

std::string_view role_name(Role role) {
  return kRoleNames[static_cast<std::size_t>(role)].second;
}
std::string_view task_name(Task task) {
  return kTaskNames[static_cast<std::size_t>(task)].second;
}

std::optional<Role> role_from_name(std::string_view name) {
  return find_by_name(kRoleNames, name);
}
std::optional<Task> task_from_name(std::string_view name) {
  return find_by_name(kTaskNames, name);
}

}  // namespace hadal
