// Fields that several protocols share, read into an ApiRequest.
#pragma once

#include "protocol/field.h"
#include "protocol/request.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// A request of `protocol` with the defaults, `model` and the fields that mean the same everywhere:
/// stream, metadata, user, the hints of llama.cpp. Refuses what no protocol of ours honours.
Result<ApiRequest> begin_request(Protocol protocol, const Field& body, const ParseOptions& options);

/// temperature (up to `max_temperature`), top_p, top_k, min_p, penalties, seed, logit_bias, and
/// `stop` under the name `stop_key`.
Result<void> read_sampling(const Field& body, double max_temperature, std::string_view stop_key,
                           ApiRequest& request);

/// A limit under `key`: -1 (llama.cpp) means none, 0 means prefill only. False: absent.
Result<bool> read_max_tokens(const Field& body, std::string_view key, ApiRequest& request);

/// The first of `keys` that is there. False: none.
Result<bool> read_first_max_tokens(const Field& body, std::initializer_list<std::string_view> keys,
                                   ApiRequest& request);

/// none and minimal: off; low, medium, high: high; xhigh, max: max (product.md section 2).
Result<std::optional<ThinkMode>> read_effort(const Field& parent, std::string_view key);

/// reasoning_effort, thinking {type, budget_tokens}, reasoning {effort, enabled, max_tokens},
/// think, chat_template_kwargs, enable_thinking, in this order.
Result<void> read_chat_thinking(const Field& body, ApiRequest& request);

/// A choice of tools that stays within the tools of the request. `name` is empty unless named.
Result<void> set_tool_choice(const Field& field, ToolChoice choice, ApiRequest& request);

/// Keeps only the tools with these names and the mode; an error names those that are unknown.
Result<void> allow_tools(const Field& field, const std::vector<std::string>& names,
                         ApiRequest& request);

/// The last steps for a conversation: tools (unless the choice is none) and response format go to
/// the first system message, roles become as parse_chat_request says, and the last message is made
/// ready to be answered or continued. `response_format` is the JSON text that the prompt shows;
/// empty: none.
Result<void> finish_conversation(const std::string& response_format, ApiRequest& request);

/// `response_format` (text, json_object, json_schema; ours: grammar, regex), llama.cpp's `grammar`
/// and `json_schema`, vLLM's guided_* and structured_outputs. Returns the JSON text for the prompt.
Result<std::string> read_output_format(const Field& body, ApiRequest& request);

}  // namespace hadal
