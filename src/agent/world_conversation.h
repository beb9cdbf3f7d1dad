// An episode in a causal world as a conversation with tools, in the message forms of src/chat.
#pragma once

#include "chat/message.h"
#include "worlds/chat_episode.h"

namespace hadal {

/// The system text: the world as events.
/// @param with_tool_section  declare the tools on the system message, which adds the section of
/// deepseek-v4.md 11.4
Conversation opening_conversation(const worlds::ChatOpening& opening, bool with_tool_section);

/// One assistant turn (the call, before it the header of an act) and its tool result.
void add_step(Conversation& conversation, const worlds::ChatStep& step);

}  // namespace hadal
