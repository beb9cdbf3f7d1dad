#include "protocol/responses_input.h"

#include "protocol/custom_tool.h"
#include "protocol/opaque.h"

#include <algorithm>
#include <utility>

namespace hadal {

namespace {

/// A part with text: input_text, output_text, text, refusal.
Result<std::string> read_part(const Field& part) {
  HADAL_ASSIGN(const std::string type, type_of(part, "a content part"));
  if (type == "input_text" || type == "output_text" || type == "text")
    return required_string(part, "text");
  if (type == "refusal") return required_string(part, "refusal");
  return refused(part.member("type"), "the model reads text only; send a part of type input_text");
}

/// A string, or a list of parts. Parts of the assistant are pieces of one text; parts of others are
/// joined by two newlines, as in chat.
Result<std::string> read_content(const Field& content, std::string_view separator) {
  if (content.json.is_string()) return content.json.get<std::string>();
  if (!content.json.is_array()) return unexpected(content, "a string or a list of parts");
  std::string text;
  for (std::size_t i = 0; i < content.json.size(); ++i) {
    HADAL_ASSIGN(const std::string part, read_part(content.element(i)));
    if (i > 0) text += separator;
    text += part;
  }
  return text;
}

/// The texts of {"type": TYPE, "text"} under `key`.
Result<std::string> read_texts(const Field& item, std::string_view key) {
  HADAL_ASSIGN(const auto elements, optional_list(item, key));
  std::string text;
  for (const Field& element : elements) {
    HADAL_TRY(check_object(element, "an object with text"));
    HADAL_ASSIGN(const std::string more, required_string(element, "text"));
    if (!text.empty()) text += "\n\n";
    text += more;
  }
  return text;
}

}  // namespace

Message& ResponsesInput::open_assistant() {
  if (messages_.empty() || messages_.back().role != Role::assistant)
    messages_.push_back({.role = Role::assistant, .content = {}});
  return messages_.back();
}

Result<void> ResponsesInput::add(const Field& item) {
  HADAL_TRY(check_object(item, "an item"));
  if (!item.has("type") && item.has("role")) return add_message(item);
  HADAL_ASSIGN(const std::string type, type_of(item, "an item"));
  if (type == "message") return add_message(item);
  if (type == "reasoning") return add_reasoning(item);
  if (type == "function_call") return add_call(item, false);
  if (type == "custom_tool_call") return add_call(item, true);
  if (type == "function_call_output" || type == "custom_tool_call_output") return add_output(item);
  return refused(item.member("type"),
                 "expected message, reasoning, function_call, function_call_output, "
                 "custom_tool_call, custom_tool_call_output or item_reference");
}

Result<void> ResponsesInput::add_message(const Field& item) {
  HADAL_ASSIGN(const auto role,
               optional_name(item, "role", {"user", "assistant", "system", "developer"}));
  if (!role) return missing(item, "role", "user, assistant, system or developer");
  if (!item.has("content")) return missing(item, "content", "a string or a list of parts");
  constexpr Role kRoles[] = {Role::user, Role::assistant, Role::system, Role::developer};
  const bool is_assistant = kRoles[*role] == Role::assistant;
  HADAL_ASSIGN(std::string text, read_content(item.member("content"), is_assistant ? "" : "\n\n"));
  if (is_assistant)
    open_assistant().content += text;
  else
    messages_.push_back({.role = kRoles[*role], .content = std::move(text)});
  return {};
}

/// The text itself, else what encrypted_content of ours carries, else the summary. Reasoning that
/// another server sealed cannot be read and is left out.
Result<void> ResponsesInput::add_reasoning(const Field& item) {
  HADAL_ASSIGN(std::string text, read_texts(item, "content"));
  HADAL_ASSIGN(const auto sealed, optional_string(item, "encrypted_content"));
  if (text.empty() && sealed) text = unseal_reasoning(*sealed).value_or("");
  if (text.empty()) {
    HADAL_ASSIGN(text, read_texts(item, "summary"));
  }
  Message* message = &open_assistant();
  if (!message->content.empty() || !message->tool_calls.empty())
    message = &messages_.emplace_back(Message{.role = Role::assistant, .content = {}});
  if (!message->reasoning_content.empty() && !text.empty()) message->reasoning_content += "\n\n";
  message->reasoning_content += text;
  return {};
}

Result<void> ResponsesInput::add_call(const Field& item, bool is_custom) {
  ToolCall call;
  HADAL_ASSIGN(call.id, required_string(item, "call_id"));
  HADAL_ASSIGN(call.name, required_string(item, "name"));
  HADAL_ASSIGN(const auto name_space, optional_string(item, "namespace"));
  if (name_space) call.name = *name_space + "." + call.name;
  HADAL_ASSIGN(call.arguments, required_string(item, is_custom ? "input" : "arguments"));
  if (is_custom) call.arguments = custom_tool_arguments(call.arguments);
  open_assistant().tool_calls.push_back(std::move(call));
  return {};
}

Result<void> ResponsesInput::add_output(const Field& item) {
  Message message{.role = Role::tool, .content = {}};
  HADAL_ASSIGN(message.tool_call_id, required_string(item, "call_id"));
  if (!item.has("output")) return missing(item, "output", "a string or a list of parts");
  HADAL_ASSIGN(message.content, read_content(item.member("output"), "\n\n"));
  messages_.push_back(std::move(message));
  return {};
}

}  // namespace hadal
