// The steps between a conversation and its prompt: joining, ordering and forgetting
// (deepseek-v4.md 11.2, 11.3).
#pragma once

#include "chat/message.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// A piece of what the user side says in one turn.
struct TurnBlock {
  std::string_view text;  ///< points into the conversation
  bool is_tool_result = false;
  std::string_view tool_call_id{};
  bool has_events = false;  ///< Message::has_events
};

/// A message as the prompt shows it. Points into the conversation, which must outlive it.
struct Turn {
  const Message* message;         ///< the message that the turn began with
  std::size_t message_index;      ///< its index in the conversation, for errors
  Role role;                      ///< never Role::tool
  std::vector<TurnBlock> blocks;  ///< role user only: at least one
  std::optional<Task> task;
  bool keeps_reasoning = false;  ///< thinking is on here: the think part is rendered
};

/// Joins neighbouring user and tool messages into turns, orders tool results as their calls were,
/// and, in thinking mode, decides which turns keep their reasoning and removes the developer turns
/// that are forgotten.
std::vector<Turn> make_turns(const Conversation& conversation, bool thinking, bool drop_thinking);

}  // namespace hadal
