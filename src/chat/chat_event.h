// What a stream of generated text becomes, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace hadal {

/// Text pieces are valid UTF-8 and never empty.
struct ReasoningDelta {
  std::string text;
  bool operator==(const ReasoningDelta&) const = default;
};
struct ContentDelta {
  std::string text;
  bool operator==(const ContentDelta&) const = default;
};
/// `index` counts the calls of a message from 0.
struct ToolCallBegin {
  std::size_t index;
  std::string id;
  std::string name;
  bool operator==(const ToolCallBegin&) const = default;
};
/// Next piece of the arguments: the pieces of a call together are one JSON object.
struct ToolCallArgumentsDelta {
  std::size_t index;
  std::string text;
  bool operator==(const ToolCallArgumentsDelta&) const = default;
};
struct ToolCallEnd {
  std::size_t index;
  bool operator==(const ToolCallEnd&) const = default;
};
/// The call was cut before its end and is not part of the message; its index is not used again.
struct ToolCallDropped {
  std::size_t index;
  bool operator==(const ToolCallDropped&) const = default;
};

using ChatEvent = std::variant<ReasoningDelta, ContentDelta, ToolCallBegin, ToolCallArgumentsDelta,
                               ToolCallEnd, ToolCallDropped>;

enum class FinishReason : std::uint8_t { stop, length, tool_calls };

/// The name on the wire: "stop", "length", "tool_calls".
constexpr std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::length:
      return "length";
    case FinishReason::tool_calls:
      return "tool_calls";
    default:
      return "stop";
  }
}

}  // namespace hadal
