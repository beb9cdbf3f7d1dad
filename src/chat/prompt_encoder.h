// Conversation -> prompt, as the encoder published with DeepSeek-V4 does it (deepseek-v4.md section
// 11).
#pragma once

#include "base/result.h"
#include "chat/message.h"
#include "chat/prompt.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

enum class ThinkMode : std::uint8_t {
  off,   ///< chat: the answer starts at once
  low,   ///< thinking without an effort prefix
  high,  ///< thinking; 0731 models: effort text A
  max,   ///< thinking; effort text A (preview) or B (0731)
};

/// Which models the prompt is for: they were trained with different effort prefixes (11.6).
enum class ModelRelease : std::uint8_t {
  preview,     ///< April 2026
  flash_0731,  ///< DeepSeek-V4-Flash-0731
};

/// The tokens that the model wrote for a message of the assistant, and their text.
struct WrittenTurn {
  std::vector<std::int32_t> ids;
  std::string text;
};

/// Finds what the model itself wrote for `message`, with the reasoning and its end token in front
/// or without them; nothing if that is not known or the client has changed it.
using FindWritten =
    std::function<std::optional<WrittenTurn>(const Message& message, bool with_reasoning)>;

struct PromptOptions {
  ThinkMode think = ThinkMode::off;
  ModelRelease release = ModelRelease::preview;
  /// Forget the reasoning of earlier turns (11.2). Any message with tools switches this off.
  bool drop_thinking = true;
};

/// Starts with BOS; ends ready for the model to answer, unless the last message is the assistant's.
/// Neighbouring user and tool messages are joined; as in the published encoder, a user message that
/// joins an earlier one loses its `task`. Arguments that are no JSON object become one parameter
/// named `arguments`. Errors: bad_format if the JSON text of a tool or response_format is invalid,
/// naming messages[i]. Pure; O(length).
/// @param find_written  may be empty: all text is encoded anew
Result<Prompt> encode_prompt(const Conversation& conversation, const PromptOptions& options,
                             const FindWritten& find_written = {});

}  // namespace hadal
