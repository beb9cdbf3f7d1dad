#include "protocol/request_fields.h"

#include <algorithm>
#include <set>
#include <utility>

namespace hadal {

namespace {

bool carries_more_than_text(const Message& message) {
  return !message.tools.empty() || message.response_format;
}

/// Developer messages are OpenAI's newer name for system messages. V4's own developer role is for
/// internal use: it is a user turn that is forgotten when the next one comes (deepseek-v4.md 11.2).
/// In front, one that follows a system message becomes its next paragraph, so that the tools stand
/// behind both.
void settle_roles(std::vector<Message>& messages) {
  std::vector<Message> settled;
  bool is_front = true;
  for (Message& message : messages) {
    const bool is_developer = message.role == Role::developer;
    if (!is_developer && message.role != Role::system) {
      is_front = is_front && message.role == Role::latest_reminder;
      settled.push_back(std::move(message));
      continue;
    }
    const bool is_special = carries_more_than_text(message);
    const bool joins = is_front && is_developer && !is_special && !settled.empty() &&
                       settled.back().role == Role::system;
    if (joins) {
      settled.back().content += "\n\n" + message.content;
      continue;
    }
    message.role = is_front || is_special ? Role::system : Role::user;
    settled.push_back(std::move(message));
  }
  messages = std::move(settled);
}

Message& first_system(std::vector<Message>& messages) {
  const auto found = std::find_if(messages.begin(), messages.end(),
                                  [](const Message& m) { return m.role == Role::system; });
  if (found != messages.end()) return *found;
  return *messages.insert(messages.begin(), Message{.role = Role::system, .content = {}});
}

/// The assistant's last message is continued: its turn stays open.
Result<void> open_last_message(std::vector<Message>& messages, Protocol protocol) {
  if (messages.empty() || messages.back().role != Role::assistant) return {};
  if (!messages.back().tool_calls.empty()) {
    return error(ErrorCode::invalid_argument,
                 "{}: expected the result of tool call {} after it, found the end of the list",
                 protocol == Protocol::responses ? "input" : "messages",
                 messages.back().tool_calls.front().id);
  }
  messages.back().wo_eos = true;
  return {};
}

/// By the name that the model sees, else by the client's, which tools in different namespaces may
/// share: then the first.
const ApiTool* find_tool(const std::vector<ApiTool>& tools, std::string_view name) {
  const auto find = [&](std::string ApiTool::*member) -> const ApiTool* {
    const auto found =
        std::find_if(tools.begin(), tools.end(), [&](const auto& t) { return t.*member == name; });
    return found == tools.end() ? nullptr : &*found;
  };
  const ApiTool* exact = find(&ApiTool::name);
  return exact != nullptr ? exact : find(&ApiTool::wire_name);
}

}  // namespace

Result<void> set_tool_choice(const Field& field, ToolChoice choice, ApiRequest& request) {
  const bool needs_tools = choice.mode == ToolChoice::Mode::required;
  if (needs_tools && request.tools.empty())
    return unexpected(field, "a choice that the request's tools allow, but it has no tools");
  if (choice.mode == ToolChoice::Mode::named) {
    const ApiTool* tool = find_tool(request.tools, choice.name);
    if (tool == nullptr)
      return error(ErrorCode::invalid_argument,
                   "{}: expected the name of one of the tools, found {}", field.place, choice.name);
    choice.name = tool->name;
  }
  request.tool_choice = std::move(choice);
  return {};
}

Result<void> allow_tools(const Field& field, const std::vector<std::string>& names,
                         ApiRequest& request) {
  std::set<std::string> allowed;
  for (const std::string& name : names) {
    const ApiTool* tool = find_tool(request.tools, name);
    if (tool == nullptr)
      return error(ErrorCode::invalid_argument,
                   "{}: expected names of the request's tools, found {}", field.place, name);
    allowed.insert(tool->name);
  }
  std::erase_if(request.tools, [&](const ApiTool& tool) { return !allowed.contains(tool.name); });
  return {};
}

Result<void> finish_conversation(const std::string& response_format, ApiRequest& request) {
  auto& messages = request.conversation.messages;
  settle_roles(messages);
  if (request.tool_choice.mode != ToolChoice::Mode::none && !request.tools.empty()) {
    auto& shown = first_system(messages).tools;
    for (const ApiTool& tool : request.tools) shown.push_back({tool.definition});
  }
  if (!response_format.empty()) first_system(messages).response_format = response_format;
  return open_last_message(messages, request.protocol);
}

}  // namespace hadal
