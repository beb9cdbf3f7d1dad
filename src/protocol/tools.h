// Tool definitions and choices of the protocols -> ApiTool and ToolChoice.
#pragma once

#include "protocol/field.h"
#include "protocol/request.h"

#include <string_view>

namespace hadal {

/// chat: {"type": "function", "function": {...}}, the function object by itself, or {"type":
/// "custom", "custom": {...}}; and `tool_choice`. Into request.tools and request.tool_choice.
Result<void> read_chat_tools(const Field& body, ApiRequest& request);

/// responses: flat function and custom tools, namespaces of them; web_search and image_generation
/// are accepted but not offered (ApiRequest::unoffered_tools); tools that OpenAI's servers run are
/// refused.
Result<void> read_responses_tools(const Field& body, ApiRequest& request);

/// messages: {"name", "description", "input_schema"}; types that Anthropic defines are refused.
Result<void> read_messages_tools(const Field& body, ApiRequest& request);

/// Types of tools that clients send unasked and that the server would have to run itself.
bool is_unoffered_tool(std::string_view type);

}  // namespace hadal
