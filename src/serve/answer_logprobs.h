// Which event of an answer tells which log-probabilities.
#pragma once

#include "chat/chat_event.h"
#include "protocol/answer.h"

#include <span>
#include <vector>

namespace hadal {

/// Tokens show their text late (a stop string or a character may begin in them) or never (tool
/// calls, line ends before them): each token waits for the next content, and tokens of calls are
/// left out. One thread.
class AnswerLogprobs {
 public:
  /// The next token, before its events are taken.
  void add(TokenLogprob token);
  /// What the first ContentDelta of `events` tells: all tokens since the last one.
  std::vector<TokenLogprob> take(std::span<const ChatEvent> events);
  /// At the end: tokens that no event has told, such as those of a stop string.
  std::vector<TokenLogprob> take_rest();
  /// All that were taken.
  const std::vector<TokenLogprob>& told() const { return told_; }

 private:
  std::vector<TokenLogprob> take_waiting();

  std::vector<TokenLogprob> waiting_, told_;
  bool in_calls_ = false;
};

}  // namespace hadal
