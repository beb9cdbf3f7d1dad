// Generated text -> plain stretches and control tags, in pieces. Knows what tags look like, not
// what they mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

enum class TagKind : std::uint8_t {
  think,
  think_end,
  end_of_text,      ///< EOS
  tool_calls_open,  ///< <｜DSML｜tool_calls>
  tool_calls_close,
  invoke_open,  ///< with a name
  invoke_close,
  parameter_open,  ///< with a name
  parameter_close,
  unknown,  ///< any other tag with the DSML token, also an invoke or parameter without a name
};

/// A stretch of text (tag empty) or one control tag. Views into the lexer, valid until its next
/// change.
struct Lexeme {
  std::string_view raw;        ///< the bytes it stands for
  std::size_t introducer = 0;  ///< tag: length of its fixed beginning, such as "<｜DSML｜"
  std::optional<TagKind> tag{};
  std::string_view name{};  ///< invoke_open, parameter_open
  bool is_string = false;   ///< parameter_open: string="true"
};

/// What counts as a control tag.
enum class ControlText : std::uint8_t {
  any_text,        ///< the right characters (remote models: only text is known)
  special_tokens,  ///< only where the special token itself was generated
};

/// Holds back only what may still become a tag (a tag longer than 1 KiB is taken as text).
class DsmlLexer {
 public:
  explicit DsmlLexer(ControlText control) : control_(control) {}

  /// @param text  valid UTF-8, whole characters.    @param is_special  it is one special token.
  void append(std::string_view text, bool is_special);
  /// The next lexeme; nothing if more text is needed first, or none is left. `at_end`: no more text
  /// will come; a tag that was begun but not finished is then returned as it is.
  std::optional<Lexeme> peek(bool at_end) const;
  /// Moves on by `n_bytes` of the last lexeme.
  void consume(std::size_t n_bytes);

 private:
  struct Match;
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }
  bool is_marked(std::size_t place) const;
  Match match_introducer(std::size_t place) const;
  std::optional<Lexeme> peek_tag(const Match& match, bool at_end) const;

  ControlText control_;
  std::string buffer_;  ///< bytes before begin_ are consumed
  std::size_t begin_ = 0;
  std::size_t consumed_ = 0;       ///< bytes of the stream before buffer_[begin_]
  std::deque<std::size_t> marks_;  ///< where special tokens begin, in bytes of the stream
};

}  // namespace hadal
