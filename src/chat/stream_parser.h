// Generated text, in any pieces -> reasoning, content and tool calls, as they come
// (deepseek-v4.md 11.5).
#pragma once

#include "chat/chat_event.h"
#include "chat/dsml_lexer.h"
#include "chat/message.h"
#include "chat/utf8_stream.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// Where the generated text begins: what the prompt ended with.
enum class AnswerStart : std::uint8_t { content, reasoning };

/// Malformed forms that the parser mends; the letters are those of deepseek-v4.md 11.5.
enum class Repair : std::uint8_t {
  think_end_missing,    ///< (a) a tool block while still reasoning
  separator_short,      ///< (b) fewer than two newlines before the block
  call_cut,             ///< (c) the text ended inside of a call: dropped
  close_tag_missing,    ///< (d) closed at the next tag
  invalid_json,         ///< (e) string="false", but no JSON: taken as a string
  duplicate_parameter,  ///< (f) the first wins
  unknown_tag,          ///< (g) skipped
  empty_block,          ///< a block without calls: its text stays where it was, without tags
};
inline constexpr std::size_t kNumRepairs = 8;

struct StreamParserOptions {
  AnswerStart start = AnswerStart::content;
  ControlText control = ControlText::any_text;
  /// The id of call i is this and i. Ids join results with calls, so make it unique in a
  /// conversation.
  std::string id_prefix = "call_";
};

/// Why generation ended, as the engine knows it.
enum class GenerationEnd : std::uint8_t {
  stop,   ///< EOS, a stop string, or the caller's wish
  limit,  ///< max_tokens or the context's end
};

struct ParsedCompletion {
  Message message;  ///< role assistant
  FinishReason finish_reason;
  std::vector<ChatEvent> last_events;              ///< what was held back until now
  std::array<std::size_t, kNumRepairs> repairs{};  ///< how often each Repair was needed
};

/// Any split of the same text gives the same concatenated deltas and the same message, which is
/// what the deltas say, minus dropped calls. Holds back only what may still become a tag, the
/// newlines before it, unfinished characters, values that are not strings, and the text of a block
/// before its first call. DSML tags never reach the content; text behind a block is content again.
/// One thread; memory is O(text).
class StreamParser {
 public:
  explicit StreamParser(StreamParserOptions options);

  /// The next piece of text.
  std::vector<ChatEvent> feed(std::string_view text);
  /// One special token, by its text. The same as feed() unless the options ask for
  /// ControlText::special_tokens.
  std::vector<ChatEvent> feed_special(std::string_view token);
  /// True once the message is complete (EOS, or a closed tool block): nothing more need be
  /// generated.
  bool done() const { return state_ == State::ended || state_ == State::after_block; }
  /// Ends the stream. Call once, last.
  ParsedCompletion finish(GenerationEnd end);

 private:
  enum class State : std::uint8_t {
    start,
    reasoning,
    content,
    block,
    invoke,
    value,
    after_block,
    ended
  };

  void append(std::string_view text, bool is_special);
  void run(bool at_end);
  /// Handles the whole lexeme or a part of it; returns the bytes used (0: state changed, look
  /// again).
  std::size_t handle(const Lexeme& lexeme);
  std::size_t handle_start(const Lexeme& lexeme);
  std::size_t handle_prose(const Lexeme& lexeme);
  std::size_t handle_block(const Lexeme& lexeme);
  std::size_t handle_invoke(const Lexeme& lexeme);
  std::size_t handle_value(const Lexeme& lexeme);
  std::size_t handle_after_block(const Lexeme& lexeme);
  std::size_t skip_tag(const Lexeme& lexeme);

  void add_prose(std::string_view text);
  void part_prose();
  void release_newlines();
  void open_block();
  void close_block();
  void give_block_back();
  void begin_call(std::string_view name);
  void end_call();
  void drop_call();
  void begin_value(const Lexeme& lexeme);
  void add_value(std::string_view text);
  void end_value();
  void end_stream();

  void emit_prose(std::string_view text);
  void emit_arguments(std::string_view text);
  void count(Repair repair) { ++repairs_[static_cast<std::size_t>(repair)]; }

  StreamParserOptions options_;
  Utf8Stream utf8_;
  DsmlLexer lexer_;
  State state_ = State::start;
  std::vector<ChatEvent> events_;  ///< not yet handed out
  Message message_;
  std::array<std::size_t, kNumRepairs> repairs_{};

  std::string held_newlines_;     ///< at most two, which a block would swallow
  State prose_ = State::content;  ///< where prose goes: reasoning or content
  bool think_end_due_ = false;    ///< reasoning was ended by a block: a late </think> means nothing

  std::string block_text_;  ///< text of a block before its first call
  bool block_has_call_ = false;

  std::size_t n_calls_ = 0;                        ///< begun in this message, dropped ones included
  ToolCall call_;                                  ///< the open call
  std::set<std::string, std::less<>> parameters_;  ///< its parameters so far

  std::string value_;  ///< not yet emitted part of the open value
  bool value_is_string_ = false;
  bool value_is_skipped_ = false;
};

}  // namespace hadal
