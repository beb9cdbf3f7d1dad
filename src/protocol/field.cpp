#include "protocol/field.h"

#include "chat/describe_json.h"
#include "chat/python_json.h"

#include <cmath>

namespace hadal {

namespace {

using Json = Field::Json;

bool is_place(std::string_view text) {
  return !text.empty() && text != "body" &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
             ".[]$-") == std::string_view::npos;
}

}  // namespace

const Json* Field::find(std::string_view key) const {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::string Field::place_of(std::string_view key) const {
  return place.empty() ? std::string(key) : fmt::format("{}.{}", place, key);
}

Field Field::member(std::string_view key) const {
  return {*json.find(key), place_of(key)};
}

Field Field::element(std::size_t i) const {
  return {json[i], fmt::format("{}[{}]", place, i)};
}

Result<Json> parse_body(std::string_view text) {
  HADAL_ASSIGN(Json body, parse_exact_json(text, "body"));
  HADAL_TRY(check_object({body, "body"}, "an object"));
  return body;
}

std::string field_of(const Error& error) {
  const auto end = error.message.find(": ");
  if (end == std::string::npos || !is_place(std::string_view(error.message).substr(0, end)))
    return {};
  return error.message.substr(0, end);
}

Error unexpected(const Field& field, std::string_view expected) {
  return error(ErrorCode::invalid_argument, "{}: expected {}, found {}", field.place, expected,
               describe_json(field.json));
}

Error missing(const Field& parent, std::string_view key, std::string_view expected) {
  return error(ErrorCode::invalid_argument, "{}: expected {}, but it is missing",
               parent.place_of(key), expected);
}

Error refused(const Field& field, std::string_view why) {
  return error(ErrorCode::unsupported, "{}: {}; found {}", field.place, why,
               describe_json(field.json));
}

Result<std::string> read_string(const Field& field) {
  if (!field.json.is_string()) return unexpected(field, "a string");
  return field.json.get<std::string>();
}

Result<bool> read_bool(const Field& field) {
  if (!field.json.is_boolean()) return unexpected(field, "true or false");
  return field.json.get<bool>();
}

Result<std::int64_t> read_integer(const Field& field, std::int64_t min, std::int64_t max) {
  const Json& json = field.json;
  const auto wanted = fmt::format("an integer from {} to {}", min, max);
  std::int64_t value = 0;
  if (json.is_number_float()) {
    const double real = json.get<double>();
    if (real != std::floor(real) || std::abs(real) > 9e15) return unexpected(field, wanted);
    value = static_cast<std::int64_t>(real);
  } else if (json.is_number_unsigned()) {
    const auto big = json.get<std::uint64_t>();
    if (big > static_cast<std::uint64_t>(INT64_MAX)) return unexpected(field, wanted);
    value = static_cast<std::int64_t>(big);
  } else if (json.is_number_integer()) {
    value = json.get<std::int64_t>();
  } else {
    return unexpected(field, wanted);
  }
  if (value < min || value > max) return unexpected(field, wanted);
  return value;
}

Result<double> read_number(const Field& field, double min, double max) {
  const auto wanted = fmt::format("a number from {} to {}", min, max);
  if (!field.json.is_number()) return unexpected(field, wanted);
  const double value = field.json.get<double>();
  if (!(value >= min && value <= max)) return unexpected(field, wanted);
  return value;
}

Result<void> check_object(const Field& field, std::string_view expected) {
  if (!field.json.is_object()) return unexpected(field, expected);
  return {};
}

Result<std::optional<std::string>> optional_string(const Field& parent, std::string_view key) {
  if (!parent.has(key)) return std::optional<std::string>{};
  HADAL_ASSIGN(std::string value, read_string(parent.member(key)));
  return std::optional(std::move(value));
}

Result<std::optional<bool>> optional_bool(const Field& parent, std::string_view key) {
  if (!parent.has(key)) return std::optional<bool>{};
  HADAL_ASSIGN(const bool value, read_bool(parent.member(key)));
  return std::optional(value);
}

Result<std::optional<std::int64_t>> optional_integer(const Field& parent, std::string_view key,
                                                     std::int64_t min, std::int64_t max) {
  if (!parent.has(key)) return std::optional<std::int64_t>{};
  HADAL_ASSIGN(const std::int64_t value, read_integer(parent.member(key), min, max));
  return std::optional(value);
}

Result<std::optional<double>> optional_number(const Field& parent, std::string_view key, double min,
                                              double max) {
  if (!parent.has(key)) return std::optional<double>{};
  HADAL_ASSIGN(const double value, read_number(parent.member(key), min, max));
  return std::optional(value);
}

Result<std::vector<Field>> optional_list(const Field& parent, std::string_view key) {
  std::vector<Field> elements;
  if (!parent.has(key)) return elements;
  const Field list = parent.member(key);
  if (!list.json.is_array()) return unexpected(list, "a list");
  elements.reserve(list.json.size());
  for (std::size_t i = 0; i < list.json.size(); ++i) elements.push_back(list.element(i));
  return elements;
}

Result<std::string> required_string(const Field& parent, std::string_view key) {
  if (!parent.has(key)) return missing(parent, key, "a string");
  return read_string(parent.member(key));
}

Result<std::vector<Field>> required_list(const Field& parent, std::string_view key) {
  if (!parent.has(key)) return missing(parent, key, "a list");
  return optional_list(parent, key);
}

Result<std::optional<std::size_t>> optional_name(const Field& parent, std::string_view key,
                                                 const std::vector<std::string_view>& names) {
  if (!parent.has(key)) return std::optional<std::size_t>{};
  const Field field = parent.member(key);
  const auto wanted = fmt::format("one of {}", fmt::join(names, ", "));
  if (!field.json.is_string()) return unexpected(field, wanted);
  const auto& name = field.json.get_ref<const std::string&>();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return std::optional(i);
  return unexpected(field, wanted);
}

Result<std::string> type_of(const Field& field, std::string_view expected) {
  HADAL_TRY(check_object(field, expected));
  if (!field.has("type")) return missing(field, "type", fmt::format("the type of {}", expected));
  return read_string(field.member("type"));
}

}  // namespace hadal
