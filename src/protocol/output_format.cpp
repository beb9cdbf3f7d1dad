#include "protocol/json_text.h"
#include "protocol/request_fields.h"

#include <utility>

namespace hadal {

namespace {

using Kind = OutputFormat::Kind;

/// A schema: an object, or true or false.
Result<std::string> read_schema(const Field& field) {
  if (!field.json.is_object() && !field.json.is_boolean())
    return unexpected(field, "a JSON schema");
  return json_text(field.json);
}

/// A regular expression that matches exactly one of the texts.
std::string any_of_texts(const std::vector<std::string>& texts) {
  std::string pattern;
  for (const std::string& text : texts) {
    pattern += pattern.empty() ? "(" : "|";
    for (const char c : text) {
      if (std::string_view("\\^$.|?*+()[]{}/-").find(c) != std::string_view::npos) pattern += '\\';
      pattern += c;
    }
  }
  return pattern + ")";
}

Result<void> set_once(OutputFormat format, ApiRequest& request) {
  if (request.output.kind != Kind::text)
    return error(ErrorCode::invalid_argument,
                 "{}: expected one form of the answer, found another one in {}", format.field,
                 request.output.field);
  request.output = std::move(format);
  return {};
}

/// Members of `parent` that ask for a form by themselves, under these names.
struct FormNames {
  std::string_view schema, regex, choice, grammar;
};

Result<void> read_forms(const Field& parent, const FormNames& names, ApiRequest& request) {
  if (!names.schema.empty() && parent.has(names.schema)) {
    const Field field = parent.member(names.schema);
    HADAL_ASSIGN(std::string schema,
                 field.json.is_string() ? read_string(field) : read_schema(field));
    HADAL_TRY(set_once({Kind::json_schema, std::move(schema), field.place}, request));
  }
  if (!names.regex.empty() && parent.has(names.regex)) {
    HADAL_ASSIGN(std::string pattern, required_string(parent, names.regex));
    HADAL_TRY(set_once({Kind::regex, std::move(pattern), parent.place_of(names.regex)}, request));
  }
  if (!names.choice.empty() && parent.has(names.choice)) {
    const Field list = parent.member(names.choice);
    HADAL_ASSIGN(const auto elements, required_list(parent, names.choice));
    if (elements.empty()) return unexpected(list, "at least one string");
    std::vector<std::string> texts;
    for (const Field& element : elements) {
      HADAL_ASSIGN(std::string text, read_string(element));
      texts.push_back(std::move(text));
    }
    HADAL_TRY(set_once({Kind::regex, any_of_texts(texts), list.place}, request));
  }
  if (!names.grammar.empty() && parent.has(names.grammar)) {
    HADAL_ASSIGN(std::string grammar, required_string(parent, names.grammar));
    if (!grammar.empty())
      HADAL_TRY(
          set_once({Kind::grammar, std::move(grammar), parent.place_of(names.grammar)}, request));
  }
  return {};
}

/// {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}; `schema` beside `type` is
/// llama.cpp's spelling.
Result<void> read_json_schema(const Field& format, ApiRequest& request) {
  const bool is_wrapped = format.has("json_schema");
  if (!is_wrapped && !format.has("schema"))
    return missing(format, "json_schema", "an object with a schema");
  const Field holder = is_wrapped ? format.member("json_schema") : Field{format.json, format.place};
  HADAL_TRY(check_object(holder, "an object with a schema"));
  if (!holder.has("schema")) return missing(holder, "schema", "a JSON schema");
  HADAL_ASSIGN(std::string schema, read_schema(holder.member("schema")));
  HADAL_ASSIGN(const auto strict, optional_bool(holder, "strict"));
  return set_once({Kind::json_schema, std::move(schema), format.place, strict.value_or(false)},
                  request);
}

Result<void> read_response_format(const Field& format, ApiRequest& request) {
  HADAL_TRY(check_object(format, "an object with a type"));
  HADAL_ASSIGN(
      const auto type,
      optional_name(format, "type", {"text", "json_object", "json_schema", "grammar", "regex"}));
  if (!type) return missing(format, "type", "text, json_object, json_schema, grammar or regex");
  switch (static_cast<Kind>(*type)) {
    case Kind::text:
      return {};
    case Kind::json_object:
      if (format.has("schema")) return read_json_schema(format, request);
      return set_once({Kind::json_object, {}, format.place}, request);
    case Kind::json_schema:
      return read_json_schema(format, request);
    case Kind::grammar:
    case Kind::regex: {
      const bool is_regex = static_cast<Kind>(*type) == Kind::regex;
      HADAL_ASSIGN(std::string text, required_string(format, is_regex ? "pattern" : "grammar"));
      return set_once({static_cast<Kind>(*type), std::move(text), format.place}, request);
    }
  }
  return {};
}

}  // namespace

Result<std::string> read_output_format(const Field& body, ApiRequest& request) {
  std::string shown;
  if (body.has("response_format")) {
    const Field format = body.member("response_format");
    HADAL_TRY(read_response_format(format, request));
    const bool is_json =
        request.output.kind == Kind::json_object || request.output.kind == Kind::json_schema;
    if (is_json) shown = json_text(format.json);
  }
  HADAL_TRY(read_forms(
      body, {.schema = "json_schema", .regex = {}, .choice = {}, .grammar = "grammar"}, request));
  HADAL_TRY(read_forms(body,
                       {.schema = "guided_json",
                        .regex = "guided_regex",
                        .choice = "guided_choice",
                        .grammar = "guided_grammar"},
                       request));
  if (body.has("structured_outputs")) {
    const Field field = body.member("structured_outputs");
    HADAL_TRY(check_object(field, "an object"));
    HADAL_TRY(read_forms(
        field, {.schema = "json", .regex = "regex", .choice = "choice", .grammar = "grammar"},
        request));
  }
  return shown;
}

}  // namespace hadal
