// Reads conversations in the OpenAI chat forms, and writes the names of their roles and tasks.
#pragma once

#include "base/result.h"
#include "chat/message.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string_view>

namespace hadal {

/// Reads `{"messages": [...]}`; other keys of a request body are ignored, except that `tools` and
/// `response_format` beside `messages` go to the first system message (an empty one is put in front
/// if there is none).
///
/// A message: `role` system | developer | user | assistant | tool | latest_reminder; `content`
/// null, a string, or a list of parts (`text` parts are joined by two newlines; another TYPE
/// becomes "[Unsupported TYPE]"; `tool_result` parts of a user become tool messages); `tool_calls`
/// with `arguments` as text or object; `tool_call_id`; `reasoning_content` (also `reasoning`);
/// `tools`; `response_format`; `task`; `wo_eos`.
///
/// Errors: bad_format (not JSON) or invalid_argument, naming `source`, the place such as
/// messages[3].content, what was expected and what was found. Source: deepseek-v4.md 11.3; OpenAI
/// chat completions.
Result<Conversation> parse_conversation(std::string_view json_text, std::string_view source);

/// The same from a parsed body (see parse_exact_json for what it keeps).
Result<Conversation> read_conversation(const nlohmann::ordered_json& body, std::string_view source);

std::string_view role_name(Role role);
std::string_view task_name(Task task);
std::optional<Role> role_from_name(std::string_view name);
std::optional<Task> task_from_name(std::string_view name);

}  // namespace hadal
