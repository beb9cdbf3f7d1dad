// An episode as a conversation with tools: the ingredients that the V4 chat encoder (src/chat)
// turns into a prompt. The world and the goal stand as events in the system text, the request is
// plain words, each action is an act header followed by a tool call, each tool result is an
// observation event.
#pragma once

#include "worlds/narrator.h"

#include <string>
#include <vector>

namespace hadal::worlds {

/// A tool with one required string parameter.
struct ToolDefinition {
  std::string name;
  std::string description;
  std::string parameter;
};

struct ChatOpening {
  std::string system;  ///< system line, facts, mechanisms and goal; contains structure tokens
  std::vector<ToolDefinition> tools;
  std::string request;  ///< "Please make the red pan hot." Plain text.
};

struct ChatStep {
  std::string content;  ///< `<|act|><|e41|><|by|><|e7|><|e3|><|:|>`: the call is the event's body
  std::string tool;
  std::vector<Argument> arguments;
  std::string result;            ///< `<|obs|>...<|/ev|>`
  bool is_mistake;               ///< carries no loss on content and call
  std::vector<int> optimal_ids;  ///< as Piece::optimal_ids
};

struct ChatEpisode {
  ChatOpening opening;
  std::vector<ChatStep> steps;
  std::string closing;  ///< "Done: the red pan is hot."
};

/// The opening of a conversation about `narrator`'s world; takes the place of Narrator::prompt().
ChatOpening chat_opening(const World& world, Narrator& narrator);

/// The same episode that training_narrative() tells for this key.
ChatEpisode training_chat_episode(const WorldKey& key, const WorldOptions& options);

}  // namespace hadal::worlds
