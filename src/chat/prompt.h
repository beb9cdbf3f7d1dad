// A prompt on its way to token ids: plain text and control tokens, kept apart so that nobody can
// write a control token into text.
#pragma once

#include "tokenizer/tokenizer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// A stretch of plain text, one special token by its exact text, or tokens as they are.
struct PromptSegment {
  std::string text;
  bool is_special;
  std::vector<std::int32_t> ids{};  ///< not empty: these tokens, whose text is `text`

  bool operator==(const PromptSegment&) const = default;
};

/// A list of segments in which no two plain stretches touch: text of ours and text of users between
/// two special tokens is tokenised as one, as if the whole prompt had been given to the tokenizer.
class Prompt {
 public:
  /// Text of users, clients and models: "<think>" in it stays text.
  void add_text(std::string_view text);
  /// Text of our own templates: the special tokens of prompt_template.h in it become special.
  void add_template(std::string_view text);
  /// Text of our own worlds (Message::has_events): each "<|name|>" in it becomes special.
  void add_events(std::string_view text);
  void add_special(std::string_view token);
  /// Tokens that the model itself wrote, between two special tokens: encoding their text again
  /// could split it differently.
  void add_tokens(std::span<const std::int32_t> ids, std::string text);

  const std::vector<PromptSegment>& segments() const { return segments_; }
  /// All segments joined: the prompt as the published encoder prints it.
  std::string text() const;
  /// True if the model goes on inside of a think part: what follows begins with reasoning, not with
  /// the answer.
  bool opens_reasoning() const;
  /// Token ids. A special token that the tokenizer does not know is encoded as text.
  /// Needs tokenizer.can_encode().
  /// @param turn_ends  when given, filled with the numbers of tokens, rising, up to which turns are
  /// whole: where a later prompt may part from this one. The end of the prompt is not among them.
  std::vector<std::int32_t> encode(const Tokenizer& tokenizer,
                                   std::vector<std::size_t>* turn_ends = nullptr) const;

 private:
  std::vector<PromptSegment> segments_;
};

}  // namespace hadal
