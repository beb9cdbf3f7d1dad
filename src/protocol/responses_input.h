// Input items of /v1/responses -> chat messages (api.md 3.3).
#pragma once

#include "chat/message.h"
#include "protocol/field.h"
#include "protocol/request.h"

#include <string>
#include <vector>

namespace hadal {

/// Builds a conversation from items, one after the other: reasoning, texts and calls of the
/// assistant between two inputs are one message; reasoning after a text or call begins the next.
class ResponsesInput {
 public:
  explicit ResponsesInput(Conversation& conversation) : messages_(conversation.messages) {}

  /// message, reasoning, function_call, function_call_output, custom_tool_call and
  /// custom_tool_call_output. Errors: other types, images, files, audio.
  Result<void> add(const Field& item);

 private:
  Result<void> add_message(const Field& item);
  Result<void> add_reasoning(const Field& item);
  Result<void> add_call(const Field& item, bool is_custom);
  Result<void> add_output(const Field& item);
  Message& open_assistant();

  std::vector<Message>& messages_;
};

}  // namespace hadal
