#include "serve/turn_store.h"

#include "chat/prompt_template.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hadal {
namespace {

/// Equal values give equal texts: keys sorted, no spaces. What is no JSON stays as it is.
std::string canonical_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  return json.is_discarded() ? text
                             : json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string key_of(const Message& message) {
  nlohmann::json key = {message.content};
  for (const ToolCall& call : message.tool_calls)
    key.push_back({call.id, call.name, canonical_json(call.arguments)});
  return key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void TurnStore::add(const Message& message, std::span<const std::int32_t> ids) {
  if (ids.empty()) return;
  Turn turn{.key = key_of(message),
            .reasoning = message.reasoning_content,
            .ids = {ids.begin(), ids.end()}};
  if (const auto think_end = tokenizer_.find_special(kThinkEndToken)) {
    const auto at = std::find(ids.begin(), ids.end(), *think_end);
    if (at != ids.end()) turn.content_begin = static_cast<std::size_t>(at - ids.begin()) + 1;
  }
  const std::lock_guard lock(mutex_);
  if (const auto known = by_key_.find(turn.key); known != by_key_.end()) {
    n_tokens_ -= known->second->ids.size();
    const auto at = known->second;
    by_key_.erase(known);
    turns_.erase(at);
  }
  n_tokens_ += turn.ids.size();
  turns_.push_front(std::move(turn));
  by_key_[turns_.front().key] = turns_.begin();
  while (n_tokens_ > max_tokens_ && !turns_.empty()) forget_oldest();
}

void TurnStore::forget_oldest() {
  n_tokens_ -= turns_.back().ids.size();
  by_key_.erase(turns_.back().key);
  turns_.pop_back();
}

std::optional<WrittenTurn> TurnStore::find(const Message& message, bool with_reasoning) {
  const std::string key = key_of(message);
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return std::nullopt;
  turns_.splice(turns_.begin(), turns_, known->second);
  const Turn& turn = turns_.front();
  const bool has_reasoning = turn.content_begin > 0;
  if (with_reasoning && (!has_reasoning || turn.reasoning != message.reasoning_content))
    return std::nullopt;
  const auto ids = std::span(turn.ids).subspan(with_reasoning ? 0 : turn.content_begin);
  if (ids.empty()) return std::nullopt;
  return WrittenTurn{.ids = {ids.begin(), ids.end()}, .text = tokenizer_.decode(ids)};
}

std::size_t TurnStore::n_turns() const {
  const std::lock_guard lock(mutex_);
  return turns_.size();
}

}  // namespace hadal
