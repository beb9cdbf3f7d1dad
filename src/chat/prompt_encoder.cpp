#include "chat/prompt_encoder.h"

#include "chat/prompt_template.h"
#include "chat/python_json.h"
#include "chat/turns.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// 11.6. Only for thinking modes.
std::string_view effort_prefix(const PromptOptions& options) {
  const bool preview = options.release == ModelRelease::preview;
  switch (options.think) {
    case ThinkMode::high:
      return preview ? std::string_view{} : kEffortTextA;
    case ThinkMode::max:
      return preview ? kEffortTextA : kEffortTextB;
    default:
      return {};
  }
}

/// Renders turns one after the other into a prompt.
class Renderer {
 public:
  Renderer(bool thinking, const FindWritten& find_written)
      : thinking_(thinking), find_written_(find_written) {}

  Result<void> add_turn(const std::vector<Turn>& turns, std::size_t i);
  Prompt& prompt() { return prompt_; }

 private:
  Result<void> add_tools(const Turn& turn);
  Result<void> add_response_format(const Turn& turn);
  void add_content(std::string_view content, bool has_events);
  void add_user(const Turn& turn);
  void add_assistant(const Turn& turn, bool answers_task);
  void add_tool_calls(const std::vector<ToolCall>& calls);
  void add_arguments(const std::string& arguments);
  void add_parameter(std::string_view name, const Json& value);
  void add_transition(const Turn& turn);
  void add_think(bool think) { prompt_.add_special(think ? kThinkToken : kThinkEndToken); }

  Prompt prompt_;
  bool thinking_;
  const FindWritten& find_written_;
};

std::string where(const Turn& turn, std::string_view field) {
  return fmt::format("messages[{}].{}", turn.message_index, field);
}

// 11.4
Result<void> Renderer::add_tools(const Turn& turn) {
  const auto& tools = turn.message->tools;
  if (tools.empty()) return {};
  prompt_.add_text("\n\n");
  prompt_.add_template(kToolSectionHead);
  for (std::size_t i = 0; i < tools.size(); ++i) {
    HADAL_ASSIGN(
        const std::string schema,
        python_json_from_text(tools[i].function, where(turn, fmt::format("tools[{}]", i))));
    if (i > 0) prompt_.add_text("\n");
    prompt_.add_text(schema);
  }
  prompt_.add_template(kToolSectionTail);
  return {};
}

Result<void> Renderer::add_response_format(const Turn& turn) {
  if (!turn.message->response_format) return {};
  HADAL_ASSIGN(const std::string schema, python_json_from_text(*turn.message->response_format,
                                                               where(turn, "response_format")));
  prompt_.add_text("\n\n");
  prompt_.add_template(kResponseFormatHead);
  prompt_.add_text(schema);
  return {};
}

void Renderer::add_content(std::string_view content, bool has_events) {
  if (has_events)
    prompt_.add_events(content);
  else
    prompt_.add_text(content);
}

void Renderer::add_user(const Turn& turn) {
  prompt_.add_special(kUserToken);
  std::string_view separator;
  for (const TurnBlock& block : turn.blocks) {
    prompt_.add_text(separator);
    if (block.is_tool_result) prompt_.add_text("<tool_result>");
    add_content(block.text, block.has_events);
    if (block.is_tool_result) prompt_.add_text("</tool_result>");
    separator = "\n\n";
  }
}

void Renderer::add_assistant(const Turn& turn, bool answers_task) {
  const Message& message = *turn.message;
  const bool with_reasoning = turn.keeps_reasoning && !answers_task;
  const auto written =
      find_written_ ? find_written_(message, with_reasoning) : std::optional<WrittenTurn>();
  if (written) {
    prompt_.add_tokens(written->ids, written->text);
  } else {
    if (with_reasoning) {
      prompt_.add_text(message.reasoning_content);
      prompt_.add_special(kThinkEndToken);
    }
    add_content(message.content, message.has_events);
    if (!message.tool_calls.empty()) add_tool_calls(message.tool_calls);
  }
  if (!message.wo_eos) prompt_.add_special(kEosToken);
}

// 11.5
void Renderer::add_tool_calls(const std::vector<ToolCall>& calls) {
  prompt_.add_template("\n\n<｜DSML｜tool_calls>\n");
  for (const ToolCall& call : calls) {
    prompt_.add_template("<｜DSML｜invoke name=\"");
    prompt_.add_text(call.name);
    prompt_.add_text("\">\n");
    add_arguments(call.arguments);
    prompt_.add_template("\n</｜DSML｜invoke>\n");
  }
  prompt_.add_template(kToolCallsClose);
}

void Renderer::add_arguments(const std::string& arguments) {
  const auto parsed = parse_exact_json(arguments, "arguments");
  if (!parsed || !parsed->is_object()) return add_parameter("arguments", Json(arguments));
  std::string_view separator;
  for (const auto& [name, value] : parsed->items()) {
    prompt_.add_text(separator);
    add_parameter(name, value);
    separator = "\n";
  }
}

void Renderer::add_parameter(std::string_view name, const Json& value) {
  const bool is_string = value.is_string();
  prompt_.add_template("<｜DSML｜parameter name=\"");
  prompt_.add_text(name);
  prompt_.add_text(is_string ? "\" string=\"true\">" : "\" string=\"false\">");
  prompt_.add_text(is_string ? value.get_ref<const std::string&>() : python_json(value));
  prompt_.add_template("</｜DSML｜parameter>");
}

/// What opens the turn of the assistant, or asks for a side job.
void Renderer::add_transition(const Turn& turn) {
  const bool asks = turn.role == Role::user || turn.role == Role::developer;
  if (turn.task && *turn.task != Task::action)
    return prompt_.add_special(kTaskTokens[static_cast<std::size_t>(*turn.task)]);
  if (!turn.task && !asks) return;
  prompt_.add_special(kAssistantToken);
  add_think(turn.task ? thinking_ : turn.keeps_reasoning);
  if (turn.task) prompt_.add_special(kTaskTokens[static_cast<std::size_t>(*turn.task)]);
}

bool ends_with_transition(const std::vector<Turn>& turns, std::size_t i) {
  if (i + 1 == turns.size()) return true;
  const Role next = turns[i + 1].role;
  return next == Role::assistant || next == Role::latest_reminder;
}

Result<void> Renderer::add_turn(const std::vector<Turn>& turns, std::size_t i) {
  const Turn& turn = turns[i];
  switch (turn.role) {
    case Role::system:
    case Role::developer:
      if (turn.role == Role::developer) prompt_.add_special(kUserToken);
      add_content(turn.message->content, turn.message->has_events);
      HADAL_TRY(add_tools(turn));
      HADAL_TRY(add_response_format(turn));
      break;
    case Role::user:
    case Role::tool:
      add_user(turn);
      break;
    case Role::latest_reminder:
      prompt_.add_special(kLatestReminderToken);
      prompt_.add_text(turn.message->content);
      break;
    case Role::assistant:
      add_assistant(turn, i > 0 && turns[i - 1].task.has_value());
      break;
  }
  if (ends_with_transition(turns, i)) add_transition(turn);
  return {};
}

}  // namespace

Result<Prompt> encode_prompt(const Conversation& conversation, const PromptOptions& options,
                             const FindWritten& find_written) {
  const bool thinking = options.think != ThinkMode::off;
  const auto turns = make_turns(conversation, thinking, options.drop_thinking);
  Renderer renderer(thinking, find_written);
  renderer.prompt().add_special(kBosToken);
  renderer.prompt().add_template(effort_prefix(options));
  for (std::size_t i = 0; i < turns.size(); ++i) HADAL_TRY(renderer.add_turn(turns, i));
  return std::move(renderer.prompt());
}

}  // namespace hadal
