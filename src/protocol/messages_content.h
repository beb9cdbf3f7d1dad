// Content of Anthropic's messages -> chat messages (api.md 3.6).
#pragma once

#include "chat/message.h"
#include "protocol/field.h"

#include <string>
#include <vector>

namespace hadal {

/// A string, or a list of blocks of text, joined by two newlines. Text documents and search results
/// are written out; images and files are refused.
Result<std::string> read_text_blocks(const Field& content);

/// A message of the user becomes tool messages and user messages in the order of the blocks (the
/// prompt joins them again); one of the assistant becomes one message: thinking, text and tool_use
/// blocks. A message of the system stays one.
Result<std::vector<Message>> read_anthropic_message(const Field& message);

}  // namespace hadal
