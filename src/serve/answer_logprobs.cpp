#include "serve/answer_logprobs.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace hadal {
namespace {

bool is_content(const ChatEvent& event) {
  return std::holds_alternative<ContentDelta>(event);
}

bool is_of_call(const ChatEvent& event) {
  return !is_content(event) && !std::holds_alternative<ReasoningDelta>(event);
}

}  // namespace

void AnswerLogprobs::add(TokenLogprob token) {
  if (in_calls_) waiting_.clear();  // of several, the last alone can bring text behind the calls
  waiting_.push_back(std::move(token));
}

std::vector<TokenLogprob> AnswerLogprobs::take(std::span<const ChatEvent> events) {
  if (events.empty()) return {};
  std::vector<TokenLogprob> taken;
  if (std::any_of(events.begin(), events.end(), is_content)) taken = take_waiting();
  if (std::any_of(events.begin(), events.end(), is_of_call)) waiting_.clear();
  if (!std::holds_alternative<ReasoningDelta>(events.back())) in_calls_ = is_of_call(events.back());
  return taken;
}

std::vector<TokenLogprob> AnswerLogprobs::take_rest() {
  if (in_calls_) waiting_.clear();
  return take_waiting();
}

std::vector<TokenLogprob> AnswerLogprobs::take_waiting() {
  told_.insert(told_.end(), waiting_.begin(), waiting_.end());
  return std::exchange(waiting_, {});
}

}  // namespace hadal
