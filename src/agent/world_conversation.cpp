#include "agent/world_conversation.h"

#include <nlohmann/json.hpp>

namespace hadal {
namespace {

ToolDefinition tool_definition(const worlds::ToolDefinition& tool) {
  const nlohmann::ordered_json function = {
      {"name", tool.name},
      {"description", tool.description},
      {"parameters",
       {{"type", "object"},
        {"properties", {{tool.parameter, {{"type", "string"}}}}},
        {"required", {tool.parameter}}}}};
  return {.function = function.dump()};
}

std::string arguments_json(const std::vector<worlds::Argument>& arguments) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const worlds::Argument& argument : arguments) object[argument.name] = argument.value;
  return object.dump();
}

}  // namespace

Conversation opening_conversation(const worlds::ChatOpening& opening, bool with_tool_section) {
  Message system{.role = Role::system, .content = opening.system, .has_events = true};
  if (with_tool_section) {
    for (const worlds::ToolDefinition& tool : opening.tools)
      system.tools.push_back(tool_definition(tool));
  }
  return {.messages = {std::move(system)}};
}

void add_step(Conversation& conversation, const worlds::ChatStep& step) {
  Message act{.role = Role::assistant, .content = step.content, .has_events = true};
  act.tool_calls = {{.id = {}, .name = step.tool, .arguments = arguments_json(step.arguments)}};
  conversation.messages.push_back(std::move(act));
  conversation.messages.push_back({.role = Role::tool, .content = step.result, .has_events = true});
}

}  // namespace hadal
