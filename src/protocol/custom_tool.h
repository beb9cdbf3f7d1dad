// Custom tools (OpenAI): their input is free text. V4 calls functions with named parameters, so the
// model sees a function with one string parameter, `input`; these are the two directions.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal {

/// The parameter.
inline constexpr std::string_view kCustomToolInput = "input";

/// The schema of the arguments of every custom tool.
nlohmann::ordered_json custom_tool_parameters();

/// Text of the client -> JSON text of the arguments.
std::string custom_tool_arguments(std::string_view input);

/// JSON text of arguments, in pieces -> text of the client. The string of a first member `input` is
/// passed on as it comes; of arguments in any other form the whole JSON text is given at the end.
class CustomToolInput {
 public:
  /// The text that is complete after `piece`: whole characters.
  std::string feed(std::string_view piece);
  /// Ends the arguments: what was held back.
  std::string finish();

 private:
  enum class State : std::size_t { opening, value, done, other };

  void open();
  std::string take_value();

  State state_ = State::opening;
  std::string held_;
};

/// The same for whole arguments.
std::string custom_tool_input(std::string_view arguments);

}  // namespace hadal
