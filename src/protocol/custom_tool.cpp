#include "protocol/custom_tool.h"

#include "chat/python_json.h"
#include "protocol/json_text.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// Bytes of the escape or character at the front that is complete, 0 if more must come. A pair of
/// surrogates is one character.
std::size_t complete_unit(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] != '\\') {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return text.size() < length ? 0 : length;
  }
  if (text.size() < 2) return 0;
  if (text[1] != 'u') return 2;
  if (text.size() < 6) return 0;
  const bool is_high = (text[2] == 'd' || text[2] == 'D') &&
                       std::string_view("89abAB").find(text[3]) != std::string_view::npos;
  if (!is_high) return 6;
  return text.size() < 12 ? 0 : 12;
}

}  // namespace

Json custom_tool_parameters() {
  return {{"type", "object"},
          {"properties", {{kCustomToolInput, {{"type", "string"}}}}},
          {"required", Json::array({kCustomToolInput})}};
}

std::string custom_tool_arguments(std::string_view input) {
  return json_text({{kCustomToolInput, input}});
}

std::string CustomToolInput::feed(std::string_view piece) {
  if (state_ == State::done) return {};
  held_ += piece;
  if (state_ == State::opening) open();
  return state_ == State::value ? take_value() : std::string{};
}

/// Looks for `{"input": "`, with any white space.
void CustomToolInput::open() {
  std::string_view rest = held_;
  for (const std::string_view part : {"{", "\"input\"", ":", "\""}) {
    const auto first = rest.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return;  // more must come
    rest.remove_prefix(first);
    if (rest.size() < part.size() && part.substr(0, rest.size()) == rest) return;
    if (rest.substr(0, part.size()) != part) {
      state_ = State::other;
      return;
    }
    rest.remove_prefix(part.size());
  }
  held_ = std::string(rest);
  state_ = State::value;
}

std::string CustomToolInput::take_value() {
  std::size_t end = 0;
  bool is_closed = false;
  while (end < held_.size()) {
    if (held_[end] == '"') {
      is_closed = true;
      break;
    }
    const std::size_t length = complete_unit(std::string_view(held_).substr(end));
    if (length == 0) break;
    end += length;
  }
  if (end == 0 && !is_closed) return {};
  const auto text = parse_exact_json('"' + held_.substr(0, end) + '"', "input");
  held_.erase(0, end);
  if (is_closed) state_ = State::done;
  return text ? text->get<std::string>() : std::string{};
}

std::string CustomToolInput::finish() {
  const bool is_whole = state_ == State::opening || state_ == State::other;
  return is_whole ? std::exchange(held_, {}) : std::string{};
}

std::string custom_tool_input(std::string_view arguments) {
  CustomToolInput input;
  std::string text = input.feed(arguments);
  return text + input.finish();
}

}  // namespace hadal
