// The interactive chat of `hadal run`: lines in, streamed answers out.
#pragma once

#include "chat/language_model.h"

#include <string>

namespace hadal {

/// Writes a parsed stream: content on stdout, reasoning dimmed on stderr, tool calls as lines on
/// stdout.
class EventPrinter {
 public:
  /// False after Ctrl-C.
  bool print(const ChatEvent& event);
  /// Ends an open line.
  void finish();

 private:
  bool in_reasoning_ = false;
};

/// A progress line on stderr.
void show_prefill(std::size_t done, std::size_t total);

struct ChatOptions {
  std::string system;
  ThinkMode think = ThinkMode::off;
  CompletionOptions sampling;
};

/// Reads requests from the terminal until /exit, Ctrl-D or two Ctrl-C. Errors of single requests
/// are shown and the chat goes on.
Result<void> chat(LanguageModel& model, ChatOptions options);

}  // namespace hadal
