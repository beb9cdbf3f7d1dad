// Chosen tokens -> what they mean, as they come: bytes, stop strings, reasoning, content and calls.
#pragma once

#include "chat/stop_filter.h"
#include "chat/stream_parser.h"
#include "chat/utf8_stream.h"
#include "tokenizer/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

struct AnswerReaderOptions {
  AnswerStart start = AnswerStart::content;
  /// Token ids in, text out: nothing is parsed, special tokens are text too.
  bool is_raw = false;
  std::vector<std::string> stop{};
  std::string call_id_prefix = "call_";  ///< StreamParserOptions::id_prefix
};

/// One answer. The token that ends a text is not given to it. One thread.
class AnswerReader {
 public:
  /// `tokenizer` must outlive the reader.
  AnswerReader(const Tokenizer& tokenizer, AnswerReaderOptions options);

  /// Appends what the token brings. False: the answer is complete (a stop string, EOS, or a closed
  /// block of tool calls).
  bool take(std::int32_t token, std::vector<ChatEvent>& events);
  /// Ends the answer. Call once, last. For raw text all of it is the message's content.
  ParsedCompletion finish(GenerationEnd end);

  /// What was said so far, without stop strings and what may become one.
  const std::string& text() const { return text_; }
  /// The reasoning has not ended yet.
  bool in_reasoning() const { return in_reasoning_; }
  /// The stop string that ended the answer.
  const std::optional<std::string>& stopped_by() const { return filter_.stopped_by(); }

 private:
  void show(const std::string& text, std::vector<ChatEvent>& events);
  void show_raw(const std::string& text, std::vector<ChatEvent>& events);

  const Tokenizer& tokenizer_;
  bool is_raw_;
  bool in_reasoning_;
  std::optional<std::int32_t> think_end_;
  StopFilter filter_;
  Utf8Stream utf8_;  ///< of raw text; the parser has its own
  StreamParser parser_;
  std::string text_;
};

}  // namespace hadal
