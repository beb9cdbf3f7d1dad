#include "agent/told_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace hadal {
namespace {

/// Here the structure tokens are numbered in the order of StructureTokens::name; one more number
/// stands for any stretch of other text.
constexpr auto kText = static_cast<std::int32_t>(StructureTokens::kCount);

StructureTokens numbered_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list;
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = static_cast<std::int32_t>(i);
  return StructureTokens::from_list(list);
}

std::int32_t number_of(std::string_view token) {
  static const auto numbers = [] {
    std::unordered_map<std::string, std::int32_t> map;
    for (std::size_t i = 0; i < StructureTokens::kCount; ++i)
      map.emplace(StructureTokens::name(i), static_cast<std::int32_t>(i));
    return map;
  }();
  const auto found = numbers.find(std::string(token));
  return found == numbers.end() ? kText : found->second;
}

/// The first `<|..|>` of the text and what stands before it.
struct Cut {
  std::string_view before;
  std::string_view token;  ///< empty: there is none
};

Cut cut(std::string_view text) {
  const std::size_t begin = text.find("<|");
  const std::size_t end = begin == std::string_view::npos ? begin : text.find("|>", begin + 2);
  if (end == std::string_view::npos) return {text, {}};
  return {text.substr(0, begin), text.substr(begin, end + 2 - begin)};
}

char letter_of(EventKind kind) {
  switch (kind) {
    case EventKind::mech:
      return 'm';
    case EventKind::fact:
      return 'f';
    case EventKind::goal:
      return 'g';
    case EventKind::act:
      return 'a';
    case EventKind::obs:
      return 'o';
    case EventKind::ask:
      return 'q';
    case EventKind::ans:
      return 'r';
  }
  return '?';
}

}  // namespace

std::vector<std::string> names_of(const std::vector<ToldEvent>& events,
                                  const std::vector<std::size_t>& indices) {
  std::vector<std::string> names;
  for (const std::size_t i : indices) names.push_back(events[i].name);
  return names;
}

bool is_told_at_the_start(EventKind kind) {
  return kind == EventKind::mech || kind == EventKind::fact || kind == EventKind::goal;
}

ToldGraph::ToldGraph() : graph_(numbered_tokens(), {}) {}

void ToldGraph::tell(std::string_view text) {
  while (!text.empty()) {
    const Cut next = cut(text);
    if (!next.before.empty()) push_token(next.before, kText);
    if (!next.token.empty()) push_token(next.token, number_of(next.token));
    text.remove_prefix(next.before.size() + next.token.size());
  }
}

void ToldGraph::push_token(std::string_view token, std::int32_t id) {
  static const StructureTokens tokens = numbered_tokens();
  graph_.push(id);
  if (graph_.events().size() > texts_.size()) {
    texts_.emplace_back();
    is_open_ = true;
    in_body_ = false;
  } else if (id == tokens.close) {
    is_open_ = false;
  } else if (is_open_ && !in_body_) {
    in_body_ = id == tokens.colon;
  } else if (is_open_) {
    std::string& text = texts_.back();
    if (text.empty() && token.starts_with(' ')) token.remove_prefix(1);
    text += token;
  }
}

std::vector<ToldEvent> ToldGraph::events() const {
  std::vector<ToldEvent> told;
  std::array<int, 128> counts{};
  for (const EventGraph::Event& event : graph_.events()) {
    ToldEvent next{.kind = event.kind,
                   .name = {},
                   .text = texts_[told.size()],
                   .id = event.id,
                   .causes = {event.causes.begin(), event.causes.end()}};
    const bool names_an_act =
        std::any_of(event.causes.begin(), event.causes.end(), [&](std::int32_t cause) {
          return graph_.events()[static_cast<std::size_t>(cause)].kind == EventKind::act;
        });
    const bool is_change = event.kind == EventKind::obs && !names_an_act;
    const char letter = is_change ? 'w' : letter_of(event.kind);
    next.name = fmt::format("{}{}", letter, ++counts[static_cast<std::size_t>(letter)]);
    told.push_back(std::move(next));
  }
  return told;
}

std::vector<bool> ToldGraph::goal_ancestors() const {
  const auto events = graph_.events();
  std::vector<bool> is_ancestor(events.size());
  std::vector<std::size_t> to_visit;
  for (std::size_t i = events.size(); i > 0 && to_visit.empty(); --i)
    if (events[i - 1].kind == EventKind::goal) to_visit.push_back(i - 1);
  while (!to_visit.empty()) {
    const std::size_t event = to_visit.back();
    to_visit.pop_back();
    if (is_ancestor[event]) continue;
    is_ancestor[event] = true;
    for (const std::int32_t cause : events[event].causes)
      to_visit.push_back(static_cast<std::size_t>(cause));
  }
  return is_ancestor;
}

std::vector<WhyLine> ToldGraph::why(std::size_t event) const {
  const auto events = graph_.events();
  std::vector<WhyLine> lines;
  std::vector<bool> expanded(events.size());
  std::vector<WhyLine> to_visit = {{event, 0, false}};
  while (!to_visit.empty()) {
    WhyLine line = to_visit.back();
    to_visit.pop_back();
    const EventGraph::Event& effect = events[line.event];
    const bool ends = line.depth > 0 && is_told_at_the_start(effect.kind);
    line.seen_before = !ends && !effect.causes.empty() && expanded[line.event];
    lines.push_back(line);
    if (ends || line.seen_before) continue;
    expanded[line.event] = true;
    for (auto cause = effect.causes.rbegin(); cause != effect.causes.rend(); ++cause) {
      const auto index = static_cast<std::size_t>(*cause);
      // An id that was unknown when it was named may belong to an event told later.
      if (index >= line.event && !is_told_at_the_start(effect.kind)) continue;
      to_visit.push_back({index, line.depth + 1, false});
    }
  }
  return lines;
}

}  // namespace hadal
