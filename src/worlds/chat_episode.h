// An episode as a conversation with tools: the ingredients that the V4 chat encoder (src/chat)
// turns into a prompt. The world stands as events in the system text; each request is plain words.
// The agent says what it takes the request to mean by calling set_goal, whose result is the goal
// event, told by the world; then each action is an act header followed by a tool call, and each
// tool result is an observation event.
#pragma once

#include "worlds/narrator.h"

#include <string>
#include <string_view>
#include <vector>

namespace hadal::worlds {

/// The tool that turns a request into a goal; its parameter is the goal in words (goal_state).
inline constexpr std::string_view kSetGoalTool = "set_goal";
inline constexpr std::string_view kGoalParameter = "state";

/// A tool with one required string parameter.
struct ToolDefinition {
  std::string name;
  std::string description;
  std::string parameter;
};

struct ChatOpening {
  std::string system;  ///< system line, facts and mechanisms; contains structure tokens
  std::vector<ToolDefinition> tools;  ///< set_goal first
};

struct ChatStep {
  std::string content;  ///< `<|act|><|e41|><|by|><|e7|><|e3|><|:|>`: the call is the event's body
  std::string tool;
  std::vector<Argument> arguments;
  std::string result;                 ///< `<|obs|>...<|/ev|>`, and what then changes from outside
  bool is_mistake = false;            ///< carries no loss on content and call
  std::vector<int> optimal_ids = {};  ///< as Piece::optimal_ids
};

/// One request and what is done about it.
struct ChatTurn {
  std::string request;  ///< "Can you get the red pan hot?" Plain text.
  ChatStep set_goal;    ///< no content; the result is `<|goal|>...<|/ev|>`
  std::vector<ChatStep> steps;
  std::string closing;  ///< "Done: the red pan is hot."
};

struct ChatEpisode {
  ChatOpening opening;
  std::vector<ChatTurn> turns;
};

/// The opening of a conversation about `narrator`'s world; takes the place of Narrator::prompt().
ChatOpening chat_opening(const World& world, Narrator& narrator);

/// "red pan hot and old jar open": what set_goal is called with.
std::string goal_state(const World& world, std::span<const Literal> goal);

/// The same story that training_narrative() tells for this key, without its questions.
ChatEpisode training_chat_episode(const WorldKey& key, const WorldOptions& options);

}  // namespace hadal::worlds
