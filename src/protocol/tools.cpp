#include "protocol/tools.h"

#include "protocol/custom_tool.h"
#include "protocol/json_text.h"
#include "protocol/request_fields.h"

#include <algorithm>
#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;
using Mode = ToolChoice::Mode;

/// What the prompt shows of a tool.
std::string definition_text(const std::string& name, const std::string& description,
                            const Json* parameters) {
  Json function = {{"name", name}};
  if (!description.empty()) function["description"] = description;
  if (parameters != nullptr) function["parameters"] = *parameters;
  return json_text(function);
}

Result<void> add_tool(const Field& field, ApiTool tool, ApiRequest& request) {
  const bool is_taken = std::any_of(request.tools.begin(), request.tools.end(),
                                    [&](const auto& t) { return t.name == tool.name; });
  if (is_taken)
    return error(ErrorCode::invalid_argument, "{}: expected different names, found {} twice",
                 field.place, tool.name);
  request.tools.push_back(std::move(tool));
  return {};
}

Result<std::string> read_tool_name(const Field& tool) {
  HADAL_ASSIGN(std::string name, required_string(tool, "name"));
  if (name.empty()) return unexpected(tool.member("name"), "a name");
  return name;
}

/// name, description, the schema under `schema_key`, strict.
Result<ApiTool> read_function(const Field& function, std::string_view schema_key,
                              const std::string& name_space) {
  ApiTool tool;
  HADAL_ASSIGN(tool.wire_name, read_tool_name(function));
  HADAL_ASSIGN(const auto description, optional_string(function, "description"));
  HADAL_ASSIGN(const auto strict, optional_bool(function, "strict"));
  tool.name_space = name_space;
  tool.name = name_space.empty() ? tool.wire_name : name_space + "." + tool.wire_name;
  tool.strict = strict.value_or(false);
  if (function.has(schema_key)) {
    const Field schema = function.member(schema_key);
    HADAL_TRY(check_object(schema, "a JSON schema"));
    tool.parameters = json_text(schema.json);
  }
  tool.definition = definition_text(tool.name, description.value_or(""), function.find(schema_key));
  return tool;
}

/// {"type": "text"} or a grammar: {"type": "grammar", "syntax", "definition"}, in chat one level
/// deeper under `grammar`.
Result<void> read_custom_format(const Field& format, ApiTool& tool) {
  HADAL_TRY(check_object(format, "an object with a type"));
  HADAL_ASSIGN(const auto type, optional_name(format, "type", {"text", "grammar"}));
  if (!type) return missing(format, "type", "text or grammar");
  if (*type == 0) return {};
  const Field grammar =
      format.has("grammar") ? format.member("grammar") : Field{format.json, format.place};
  HADAL_TRY(check_object(grammar, "an object with syntax and definition"));
  HADAL_ASSIGN(const auto syntax, optional_name(grammar, "syntax", {"lark", "regex"}));
  if (!syntax) return missing(grammar, "syntax", "lark or regex");
  tool.grammar_syntax = *syntax == 0 ? "lark" : "regex";
  HADAL_ASSIGN(tool.grammar, required_string(grammar, "definition"));
  return {};
}

Result<ApiTool> read_custom(const Field& custom, const std::string& name_space) {
  ApiTool tool;
  tool.kind = ApiTool::Kind::custom;
  tool.name_space = name_space;
  HADAL_ASSIGN(tool.wire_name, read_tool_name(custom));
  HADAL_ASSIGN(const auto description, optional_string(custom, "description"));
  tool.name = name_space.empty() ? tool.wire_name : name_space + "." + tool.wire_name;
  if (custom.has("format")) HADAL_TRY(read_custom_format(custom.member("format"), tool));
  std::string text = description.value_or("");
  if (!tool.grammar.empty()) {
    text += text.empty() ? "" : "\n\n";
    text += fmt::format("The input is free text that must follow this {} grammar:\n{}",
                        tool.grammar_syntax, tool.grammar);
  }
  const Json parameters = custom_tool_parameters();
  tool.parameters = json_text(parameters);
  tool.definition = definition_text(tool.name, text, &parameters);
  return tool;
}

Result<ApiTool> read_chat_tool(const Field& tool) {
  HADAL_TRY(check_object(tool, "an object with a function"));
  HADAL_ASSIGN(const auto type, optional_string(tool, "type"));
  if (type == "custom") {
    if (!tool.has("custom")) return missing(tool, "custom", "an object with a name");
    const Field custom = tool.member("custom");
    HADAL_TRY(check_object(custom, "an object with a name"));
    return read_custom(custom, {});
  }
  if (type && *type != "function")
    return unexpected(tool.member("type"), "\"function\" or \"custom\"");
  const Field function =
      tool.has("function") ? tool.member("function") : Field{tool.json, tool.place};
  HADAL_TRY(check_object(function, "an object with name, description and parameters"));
  HADAL_ASSIGN(ApiTool read, read_function(function, "parameters", {}));
  read.definition = json_text(function.json);  // as `hadal render` shows it, with all its keys
  return read;
}

/// The name in {"type": KIND, KIND: {"name"}} (chat) or {"type": KIND, "name"} (responses).
Result<std::string> read_choice_name(const Field& choice) {
  HADAL_ASSIGN(const std::string type, type_of(choice, "a choice of tools"));
  if (type != "function" && type != "custom")
    return refused(choice.member("type"), "only function and custom tools can be chosen");
  const Field holder = choice.has(type) ? choice.member(type) : Field{choice.json, choice.place};
  HADAL_TRY(check_object(holder, "an object with a name"));
  HADAL_ASSIGN(std::string name, required_string(holder, "name"));
  HADAL_ASSIGN(const auto name_space, optional_string(holder, "namespace"));
  return name_space ? *name_space + "." + name : name;
}

Result<void> read_allowed_tools(const Field& field, ApiRequest& request) {
  const Field allowed =
      field.has("allowed_tools") ? field.member("allowed_tools") : Field{field.json, field.place};
  HADAL_TRY(check_object(allowed, "an object with mode and tools"));
  HADAL_ASSIGN(const auto mode, optional_name(allowed, "mode", {"auto", "required"}));
  HADAL_ASSIGN(const auto elements, required_list(allowed, "tools"));
  std::vector<std::string> names;
  for (const Field& element : elements) {
    HADAL_ASSIGN(std::string name, read_choice_name(element));
    names.push_back(std::move(name));
  }
  HADAL_TRY(allow_tools(allowed.member("tools"), names, request));
  return set_tool_choice(field, {.mode = mode == 1u ? Mode::required : Mode::automatic, .name = {}},
                         request);
}

Result<void> read_openai_choice(const Field& body, ApiRequest& request) {
  if (!body.has("tool_choice")) return {};
  const Field field = body.member("tool_choice");
  if (field.json.is_string()) {
    HADAL_ASSIGN(const auto mode, optional_name(body, "tool_choice", {"auto", "none", "required"}));
    return set_tool_choice(field, {.mode = static_cast<Mode>(*mode), .name = {}}, request);
  }
  HADAL_ASSIGN(const std::string type, type_of(field, "a choice of tools"));
  if (type == "allowed_tools") return read_allowed_tools(field, request);
  HADAL_ASSIGN(std::string name, read_choice_name(field));
  return set_tool_choice(field, {.mode = Mode::named, .name = std::move(name)}, request);
}

/// What to send for a tool that OpenAI's models know by its type.
std::string instead_of(std::string_view type) {
  if (type == "apply_patch")
    return "this model knows no such tool; declare a custom tool \"apply_patch\" whose input is "
           "the "
           "patch";
  if (type == "local_shell" || type == "shell")
    return "this model knows no such tool; declare a function \"shell\" whose parameter "
           "\"command\" "
           "is a list of strings";
  return "this server runs no tools itself; declare a function or custom tool";
}

Result<void> read_responses_tool(const Field& tool, const std::string& name_space,
                                 ApiRequest& request) {
  HADAL_ASSIGN(const std::string type, type_of(tool, "a tool"));
  if (type == "function" || type == "custom") {
    HADAL_ASSIGN(ApiTool read, type == "function" ? read_function(tool, "parameters", name_space)
                                                  : read_custom(tool, name_space));
    return add_tool(tool, std::move(read), request);
  }
  if (type == "namespace" && name_space.empty()) {
    HADAL_ASSIGN(const std::string name, read_tool_name(tool));
    HADAL_ASSIGN(const auto elements, required_list(tool, "tools"));
    for (const Field& element : elements) HADAL_TRY(read_responses_tool(element, name, request));
    return {};
  }
  if (is_unoffered_tool(type) && name_space.empty()) {
    request.unoffered_tools.push_back(type);
    return {};
  }
  return refused(tool.member("type"), instead_of(type));
}

}  // namespace

bool is_unoffered_tool(std::string_view type) {
  return type.starts_with("web_search") || type == "image_generation";
}

Result<void> read_chat_tools(const Field& body, ApiRequest& request) {
  HADAL_ASSIGN(const auto tools, optional_list(body, "tools"));
  for (const Field& tool : tools) {
    HADAL_ASSIGN(ApiTool read, read_chat_tool(tool));
    HADAL_TRY(add_tool(tool, std::move(read), request));
  }
  return read_openai_choice(body, request);
}

Result<void> read_responses_tools(const Field& body, ApiRequest& request) {
  HADAL_ASSIGN(const auto tools, optional_list(body, "tools"));
  for (const Field& tool : tools) HADAL_TRY(read_responses_tool(tool, {}, request));
  return read_openai_choice(body, request);
}

Result<void> read_messages_tools(const Field& body, ApiRequest& request) {
  HADAL_ASSIGN(const auto tools, optional_list(body, "tools"));
  for (const Field& tool : tools) {
    HADAL_TRY(check_object(tool, "an object with name and input_schema"));
    HADAL_ASSIGN(const auto type, optional_string(tool, "type"));
    if (type && *type != "custom")
      return refused(tool.member("type"),
                     "this server does not know tools defined by Anthropic; declare the tool with "
                     "an input_schema");
    if (!tool.has("input_schema")) return missing(tool, "input_schema", "a JSON schema");
    HADAL_ASSIGN(ApiTool read, read_function(tool, "input_schema", {}));
    HADAL_TRY(add_tool(tool, std::move(read), request));
  }
  if (!body.has("tool_choice")) return {};
  const Field field = body.member("tool_choice");
  HADAL_TRY(check_object(field, "an object with a type"));
  HADAL_ASSIGN(const auto type, optional_name(field, "type", {"auto", "none", "any", "tool"}));
  if (!type) return missing(field, "type", "auto, any, tool or none");
  HADAL_ASSIGN(const auto single, optional_bool(field, "disable_parallel_tool_use"));
  if (single) request.parallel_tool_calls = !*single;
  ToolChoice choice{.mode = static_cast<Mode>(*type), .name = {}};
  if (choice.mode == Mode::named) {
    HADAL_ASSIGN(choice.name, required_string(field, "name"));
  }
  return set_tool_choice(field, std::move(choice), request);
}

}  // namespace hadal
