#include "chat/turns.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace hadal {

namespace {

bool may_join(const std::vector<Turn>& turns, const Message& message) {
  if (turns.empty() || turns.back().role != Role::user) return false;
  return message.role == Role::tool || !turns.back().task;
}

std::vector<Turn> join_user_side(const Conversation& conversation) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const Message& message = conversation.messages[i];
    const bool is_tool = message.role == Role::tool;
    if (!is_tool && message.role != Role::user) {
      turns.push_back({&message, i, message.role, {}, message.task});
      continue;
    }
    if (!may_join(turns, message))
      turns.push_back({&message, i, Role::user, {}, is_tool ? std::nullopt : message.task});
    turns.back().blocks.push_back(
        {message.content, is_tool, message.tool_call_id, message.has_events});
  }
  return turns;
}

using CallOrder = std::unordered_map<std::string_view, std::size_t>;

CallOrder order_of_calls(const Message& assistant) {
  CallOrder order;
  for (std::size_t i = 0; i < assistant.tool_calls.size(); ++i)
    if (const auto& id = assistant.tool_calls[i].id; !id.empty()) order[id] = i;
  return order;
}

/// Puts the results of a turn into the order of the calls; texts stay where they are. A result
/// without a known call counts as belonging to the first.
void order_results(std::vector<TurnBlock>& blocks, const CallOrder& order) {
  const auto is_result = [](const TurnBlock& block) { return block.is_tool_result; };
  const auto place = [&](const TurnBlock& block) {
    const auto found = order.find(block.tool_call_id);
    return found == order.end() ? 0 : found->second;
  };
  std::vector<TurnBlock> results;
  std::copy_if(blocks.begin(), blocks.end(), std::back_inserter(results), is_result);
  std::stable_sort(results.begin(), results.end(),
                   [&](const TurnBlock& a, const TurnBlock& b) { return place(a) < place(b); });
  auto next = results.begin();
  for (TurnBlock& block : blocks)
    if (block.is_tool_result) block = *next++;
}

void order_all_results(std::vector<Turn>& turns) {
  CallOrder order;
  for (Turn& turn : turns) {
    if (turn.role == Role::assistant && !turn.message->tool_calls.empty())
      order = order_of_calls(*turn.message);
    if (turn.role == Role::user) order_results(turn.blocks, order);
  }
}

bool is_question(const Turn& turn) {
  return turn.role == Role::user || turn.role == Role::developer;
}

/// Index of the last user or developer turn; 0 if there is none, since then every turn is after it.
std::size_t last_question(const std::vector<Turn>& turns) {
  const auto found = std::find_if(turns.rbegin(), turns.rend(), is_question);
  return found == turns.rend() ? 0 : static_cast<std::size_t>(turns.rend() - found) - 1;
}

bool any_tools(const Conversation& conversation) {
  return std::any_of(conversation.messages.begin(), conversation.messages.end(),
                     [](const Message& message) { return !message.tools.empty(); });
}

}  // namespace

std::vector<Turn> make_turns(const Conversation& conversation, bool thinking, bool drop_thinking) {
  std::vector<Turn> turns = join_user_side(conversation);
  order_all_results(turns);
  if (!thinking) return turns;
  const bool drops = drop_thinking && !any_tools(conversation);
  const std::size_t first_kept = drops ? last_question(turns) : 0;
  std::vector<Turn> kept;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (i < first_kept && turns[i].role == Role::developer) continue;
    turns[i].keeps_reasoning = i >= first_kept;
    kept.push_back(std::move(turns[i]));
  }
  return kept;
}

}  // namespace hadal
