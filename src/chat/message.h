// What a conversation is, in the terms of the OpenAI chat forms. Plain values: copy, compare, build
// in place. JSON stays text here (arguments, schemas), so that this header needs no JSON library
// and keeps key order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

enum class Role : std::uint8_t { system, developer, user, assistant, tool, latest_reminder };

/// Side jobs that V4 was trained for; each has a token of its own (deepseek-v4.md 11.3).
enum class Task : std::uint8_t { action, query, authority, domain, title, read_url };

/// One call of a tool by the assistant.
struct ToolCall {
  std::string id;         ///< joins the call with its result; may be empty
  std::string name;       ///< name of the function
  std::string arguments;  ///< JSON text as the model or client wrote it, normally an object

  bool operator==(const ToolCall&) const = default;
};

/// A tool that the model may call.
struct ToolDefinition {
  std::string
      function;  ///< JSON text of the OpenAI `function` object: name, description, parameters

  bool operator==(const ToolDefinition&) const = default;
};

/// One message. Fields that do not belong to the role are ignored by the encoder.
struct Message {
  Role role = Role::user;
  std::string content;                 ///< UTF-8
  std::string reasoning_content{};     ///< assistant: the thinking before the answer
  std::vector<ToolCall> tool_calls{};  ///< assistant
  std::string tool_call_id{};          ///< tool: the call that this is the result of
  std::vector<ToolDefinition>
      tools{};  ///< system, developer: rendered; user: only keeps reasoning alive
  std::optional<std::string>
      response_format{};  ///< system, developer: JSON text of the schema to follow
  std::optional<Task> task{};
  bool wo_eos = false;  ///< assistant: leave the turn open, so that the model continues it
  /// The content is written in events (world-model.md 2.1) by a causal world of ours, or by the
  /// model that acts there: its structure tokens are special. Never so for words of users or
  /// clients.
  bool has_events = false;

  bool operator==(const Message&) const = default;
};

struct Conversation {
  std::vector<Message> messages;

  bool operator==(const Conversation&) const = default;
};

}  // namespace hadal
