#include "engine/model/event_graph.h"

#include "base/random.h"

#include <fmt/format.h>

#include <algorithm>

namespace hadal {
namespace {

constexpr std::array<std::string_view, StructureTokens::kKinds> kKindNames = {
    "mech", "fact", "goal", "act", "obs", "ask", "ans"};
constexpr std::array<std::string_view, 5> kModeNames = {"causal_graph", "causal_parents",
                                                        "token_causal", "random_graph", "none"};

bool is_history(EventKind kind) {
  return kind == EventKind::act || kind == EventKind::obs;
}
bool is_column(EventKind kind) {
  return kind == EventKind::mech || kind == EventKind::fact;
}

}  // namespace

std::string StructureTokens::name(std::size_t i) {
  if (i < kKinds) return fmt::format("<|{}|>", kKindNames[i]);
  constexpr std::array<std::string_view, 3> kMarks = {"<|by|>", "<|:|>", "<|/ev|>"};
  if (i < kKinds + kMarks.size()) return std::string(kMarks[i - kKinds]);
  return fmt::format("<|e{}|>", i - kKinds - kMarks.size());
}

StructureTokens StructureTokens::from_list(const std::array<std::int32_t, kCount>& list) {
  StructureTokens tokens{};
  std::copy_n(list.begin(), kKinds, tokens.openers.begin());
  tokens.by = list[kKinds];
  tokens.colon = list[kKinds + 1];
  tokens.close = list[kKinds + 2];
  std::copy_n(list.begin() + kKinds + 3, kIds, tokens.ids.begin());
  return tokens;
}

std::string_view name_of(MaskMode mode) {
  return kModeNames[static_cast<std::size_t>(mode)];
}

std::optional<MaskMode> parse_mask_mode(std::string_view name) {
  const auto found = std::find(kModeNames.begin(), kModeNames.end(), name);
  if (found == kModeNames.end()) return std::nullopt;
  return static_cast<MaskMode>(found - kModeNames.begin());
}

EventGraph::EventGraph(const StructureTokens& tokens, const EventGraphOptions& options)
    : options_(options) {
  latest_.fill(-1);
  for (std::size_t kind = 0; kind < StructureTokens::kKinds; ++kind)
    meanings_.push_back(
        {tokens.openers[kind], {TokenKind::opener, static_cast<std::int32_t>(kind)}});
  meanings_.push_back({tokens.by, {TokenKind::by, 0}});
  meanings_.push_back({tokens.colon, {TokenKind::colon, 0}});
  meanings_.push_back({tokens.close, {TokenKind::close, 0}});
  for (std::size_t id = 0; id < StructureTokens::kIds; ++id)
    meanings_.push_back({tokens.ids[id], {TokenKind::id, static_cast<std::int32_t>(id)}});
  std::sort(meanings_.begin(), meanings_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

EventGraph::TokenMeaning EventGraph::meaning(std::int32_t token) const {
  const auto found =
      std::lower_bound(meanings_.begin(), meanings_.end(), token,
                       [](const auto& entry, std::int32_t t) { return entry.first < t; });
  if (found == meanings_.end() || found->first != token) return {TokenKind::text, 0};
  return found->second;
}

/// Of a text in which every token may be a structure token, but events have some body: all but
/// ranges and events are bounds.
EventGraph::Capacity::Capacity(std::size_t n_tokens, std::size_t max_events) noexcept {
  constexpr std::size_t kEditsPerToken = 4;
  constexpr std::size_t kRangesPerToken = 16;
  constexpr std::size_t kTokensPerEvent = 4;
  tokens = n_tokens;
  marks = n_tokens;
  rows = n_tokens;
  edits = kEditsPerToken * n_tokens;
  ranges = kRangesPerToken * n_tokens;
  events = n_tokens / kTokensPerEvent;
  live = std::min(events, max_events);
}

void EventGraph::reserve(std::size_t n_tokens) {
  const Capacity n(n_tokens, options_.max_events);
  row_of_.reserve(n.tokens);
  marks_.reserve(n.marks);
  edits_.reserve(n.edits);
  rows_.reserve(n.rows);
  ranges_.reserve(n.ranges);
  events_.reserve(n.events);
  live_.reserve(n.live);
  seen_.reserve(n.events);
}

std::size_t EventGraph::reserved_bytes(std::size_t n_tokens, std::size_t max_events) noexcept {
  const Capacity n(n_tokens, max_events);
  return n.tokens * sizeof(std::uint32_t) + n.marks * sizeof(Mark) + n.edits * sizeof(Edit) +
         n.rows * sizeof(Row) + n.ranges * sizeof(TokenRange) +
         n.events * (sizeof(Event) + sizeof(std::uint8_t)) + n.live * sizeof(std::int32_t);
}

void EventGraph::push(std::span<const std::int32_t> tokens) {
  for (const std::int32_t token : tokens) push(token);
}

void EventGraph::push(std::int32_t token) {
  const TokenMeaning m = meaning(token);
  if (m.kind != TokenKind::text || cursor_.phase == Phase::id || cursor_.row < 0)
    marks_.push_back({n_tokens(), edits_.size(), rows_.size(), ranges_.size(), cursor_});

  if (m.kind == TokenKind::opener) {
    close();
    open(static_cast<EventKind>(m.value));
  }
  if (cursor_.row < 0) {
    seen_.assign(events_.size(), 0);
    cursor_.row = uses_graph() ? add_row(0, n_tokens()) : add_row_of_all(0);
  }
  row_of_.push_back(static_cast<std::uint32_t>(cursor_.row));
  if (cursor_.phase == Phase::root) return;
  event(current()).end = static_cast<std::uint32_t>(n_tokens());
  if (m.kind != TokenKind::opener) apply(m);
}

/// A token inside of an event, its opener apart.
void EventGraph::apply(TokenMeaning token) {
  const bool in_header = cursor_.phase != Phase::body;
  const bool is_second = cursor_.phase == Phase::id;
  if (is_second) cursor_.phase = Phase::header;
  if (token.kind == TokenKind::close) {
    close();
  } else if (token.kind == TokenKind::colon && in_header) {
    end_header();
  } else if (token.kind == TokenKind::by && in_header) {
    cursor_.phase = Phase::causes;
  } else if (token.kind == TokenKind::id && is_second) {
    declare(token.value);
  } else if (token.kind == TokenKind::id && cursor_.phase == Phase::causes) {
    name_cause(token.value);
  }
}

void EventGraph::close() {
  if (cursor_.phase == Phase::root) return;
  cursor_.phase = Phase::root;
  cursor_.row = -1;
}

void EventGraph::open(EventKind kind) {
  if (!make_room()) {
    ++cursor_.counters.n_ignored;
    return;
  }
  const std::int32_t act = kind == EventKind::obs ? cursor_.act : -1;
  const auto begin = static_cast<std::uint32_t>(n_tokens());
  events_.push_back({.kind = kind,
                     .id = -1,
                     .begin = begin,
                     .end = begin,
                     .causes = {},
                     .affected = {},
                     .act = act,
                     .dropped = false,
                     .sees_all = false});
  live_.push_back(current());
  edits_.push_back({EditKind::event, current(), 0});
  cursor_.phase = Phase::id;

  if (kind == EventKind::act && !has_causes(cursor_.goal)) {
    event(current()).sees_all = true;
    ++cursor_.counters.n_without_goal;
  }
  if (uses_graph() && !event(current()).sees_all) {
    see_open_row();
    cursor_.row = add_row(events_.size(), begin);
  } else {
    cursor_.row = add_row_of_all(events_.size());
  }
  if (kind == EventKind::goal) cursor_.goal = current();
  if (kind == EventKind::act) cursor_.act = current();
  if (kind == EventKind::ask) cursor_.ask = current();
}

/// Whether there is room for one more node, the oldest act with its obs dropped where need be.
bool EventGraph::make_room() {
  while (live_.size() >= options_.max_events) {
    const auto oldest = std::find_if(live_.begin(), live_.end(),
                                     [&](std::int32_t e) { return is_history(event(e).kind); });
    if (oldest == live_.end()) return false;
    const std::int32_t first = *oldest;
    std::vector<std::int32_t> pair = {first};
    for (const std::int32_t e : live_)
      if (event(e).act == first) pair.push_back(e);
    for (const std::int32_t e : pair) drop(e);
  }
  return true;
}

void EventGraph::drop(std::int32_t dropped) {
  Event& e = event(dropped);
  e.dropped = true;
  live_.erase(std::lower_bound(live_.begin(), live_.end(), dropped));
  edits_.push_back({EditKind::dropped, dropped, 0});
  ++cursor_.counters.n_dropped;
  if (e.id < 0 || latest_[static_cast<std::size_t>(e.id)] != dropped) return;
  edits_.push_back({EditKind::id, e.id, dropped});
  latest_[static_cast<std::size_t>(e.id)] = -1;
}

void EventGraph::declare(std::int32_t id) {
  const auto slot = static_cast<std::size_t>(id);
  event(current()).id = id;
  edits_.push_back({EditKind::id, id, latest_[slot]});
  latest_[slot] = current();
  while (!pending_[slot].empty()) {
    const std::int32_t waiting = pending_[slot].back();
    pending_[slot].pop_back();
    edits_.push_back({EditKind::resolved, id, waiting});
    add_cause(waiting, current());
  }
}

void EventGraph::name_cause(std::int32_t id) {
  const auto slot = static_cast<std::size_t>(id);
  const std::int32_t cause = latest_[slot];
  if (cause == current()) return;
  if (cause >= 0) return add_cause(current(), cause);
  std::vector<std::int32_t>& waiting = pending_[slot];
  if (!waiting.empty() && waiting.back() == current()) return;
  waiting.push_back(current());
  edits_.push_back({EditKind::pending, id, 0});
}

void EventGraph::add_cause(std::int32_t of, std::int32_t cause) {
  std::vector<std::int32_t>& causes = event(of).causes;
  if (std::find(causes.begin(), causes.end(), cause) != causes.end()) return;
  causes.push_back(cause);
  edits_.push_back({EditKind::cause, of, 0});
}

/// final(s), for the tokens behind this one.
void EventGraph::end_header() {
  cursor_.phase = Phase::body;
  const Event& e = event(current());
  if (e.kind == EventKind::ask) find_affected();
  if (!uses_graph() || e.sees_all) return;  // open(s) holds all tokens
  const std::int32_t open_row = cursor_.row;
  seen_.assign(events_.size(), 0);
  see_closure(e.causes);
  for (const std::int32_t affected : e.affected) see(affected);
  permute_columns();
  see_row(open_row);
  cursor_.row = add_row(events_.size(), e.begin);
}

void EventGraph::truncate(std::size_t n) {
  while (!marks_.empty() && marks_.back().token >= n) {
    const Mark& mark = marks_.back();
    for (; edits_.size() > mark.n_edits; edits_.pop_back()) undo(edits_.back());
    rows_.resize(mark.n_rows);
    ranges_.resize(mark.n_ranges);
    cursor_ = mark.cursor;
    marks_.pop_back();
  }
  row_of_.resize(n);
  if (cursor_.phase != Phase::root) event(current()).end = static_cast<std::uint32_t>(n);
}

void EventGraph::undo(const Edit& edit) {
  const auto slot = static_cast<std::size_t>(edit.a);
  switch (edit.kind) {
    case EditKind::event:
      events_.pop_back();
      live_.pop_back();
      break;
    case EditKind::id:
      if (latest_[slot] >= 0) event(latest_[slot]).id = -1;  // a declaration, not a drop
      latest_[slot] = edit.b;
      break;
    case EditKind::cause:
      events_[slot].causes.pop_back();
      break;
    case EditKind::pending:
      pending_[slot].pop_back();
      break;
    case EditKind::resolved:
      pending_[slot].push_back(edit.b);
      break;
    case EditKind::dropped:
      events_[slot].dropped = false;
      live_.insert(std::lower_bound(live_.begin(), live_.end(), edit.a), edit.a);
      break;
    case EditKind::affected:
      events_[slot].affected.clear();
      break;
  }
}

bool EventGraph::has_causes(std::int32_t of) const {
  if (of < 0) return false;
  const std::vector<std::int32_t>& causes = event(of).causes;
  return std::any_of(causes.begin(), causes.end(),
                     [&](std::int32_t cause) { return !event(cause).dropped; });
}

bool EventGraph::uses_graph() const {
  return options_.mode != MaskMode::token_causal && options_.mode != MaskMode::none;
}

void EventGraph::see(std::int32_t e) {
  if (!event(e).dropped) seen_[static_cast<std::size_t>(e)] = 1;
}

/// {s} u N(s) u closure(R(s)) and, for ans, the descendants of its ask.
void EventGraph::see_open_row() {
  seen_.assign(events_.size(), 0);
  const EventKind kind = event(current()).kind;
  if (kind == EventKind::act && cursor_.goal >= 0) see_closure({&cursor_.goal, 1});
  if (kind == EventKind::ans && cursor_.ask >= 0) {
    see_closure({&cursor_.ask, 1});
    for (const std::int32_t affected : event(cursor_.ask).affected) see(affected);
  }
  permute_columns();
  if (kind == EventKind::obs && cursor_.act >= 0) see(cursor_.act);
  if (kind == EventKind::act || kind == EventKind::ask || kind == EventKind::ans)
    for (const std::int32_t e : live_)
      if (is_history(event(e).kind)) see(e);
}

/// Adds closure(from).
void EventGraph::see_closure(std::span<const std::int32_t> from) {
  to_visit_.assign(from.begin(), from.end());
  const std::size_t n_from = from.size();
  for (std::size_t i = 0; i < to_visit_.size(); ++i) {
    const std::int32_t e = to_visit_[i];
    if (event(e).dropped) continue;
    const bool expanded = seen_[static_cast<std::size_t>(e)] != 0 && i >= n_from;
    see(e);
    const bool is_direct = options_.mode == MaskMode::causal_parents && i >= n_from;
    if (expanded || is_direct) continue;
    to_visit_.insert(to_visit_.end(), event(e).causes.begin(), event(e).causes.end());
  }
}

/// Adds the events of a row.
void EventGraph::see_row(std::int32_t row) {
  const Row& r = rows_[static_cast<std::size_t>(row)];
  const std::span<const TokenRange> before(ranges_.data() + r.first_range, r.n_ranges);
  std::size_t i = 0;
  for (const std::int32_t e : live_) {
    const std::uint32_t begin = event(e).begin;
    while (i < before.size() && before[i].end <= begin) ++i;
    if (begin >= r.tail || (i < before.size() && before[i].begin <= begin)) see(e);
  }
}

/// The events with something that the current ask names in their closure.
void EventGraph::find_affected() {
  const std::vector<std::int32_t>& named = event(current()).causes;
  seen_.assign(events_.size(), 0);
  for (const std::int32_t e : named) see(e);
  const std::vector<std::uint8_t> is_named = seen_;
  const bool direct = options_.mode == MaskMode::causal_parents;
  for (bool grows = true; grows;) {
    grows = false;
    for (const std::int32_t e : live_) {
      if (seen_[static_cast<std::size_t>(e)] != 0) continue;
      const std::vector<std::uint8_t>& hit = direct ? is_named : seen_;
      const auto& causes = event(e).causes;
      if (std::none_of(causes.begin(), causes.end(), [&](std::int32_t cause) {
            return hit[static_cast<std::size_t>(cause)] != 0;
          }))
        continue;
      see(e);
      grows = true;
    }
  }
  Event& ask = event(current());
  for (const std::int32_t e : live_)
    if (seen_[static_cast<std::size_t>(e)] != 0) ask.affected.push_back(e);
  edits_.push_back({EditKind::affected, current(), 0});
}

/// mode random_graph: what has been seen of mech and fact events goes to other ones.
void EventGraph::permute_columns() {
  if (options_.mode != MaskMode::random_graph) return;
  columns_.clear();  // columns_[i]: where column i goes
  std::vector<std::uint8_t> seen_before;
  std::vector<std::int32_t> events;
  for (const std::int32_t e : live_) {
    if (e == current() || !is_column(event(e).kind)) continue;
    events.push_back(e);
    seen_before.push_back(seen_[static_cast<std::size_t>(e)]);
    const std::size_t n = columns_.size();
    const auto swapped =
        static_cast<std::size_t>(((splitmix64_at(options_.seed, n) >> 32) * (n + 1)) >> 32);
    columns_.push_back(static_cast<std::int32_t>(n));
    std::swap(columns_[n], columns_[swapped]);
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::int32_t target = events[static_cast<std::size_t>(columns_[i])];
    seen_[static_cast<std::size_t>(target)] = seen_before[i];
  }
}

/// The row of the seen events, the root and the segment that begins at `begin`: all tokens but
/// those of unseen nodes.
std::int32_t EventGraph::add_row(std::size_t segment, std::size_t begin) {
  const std::size_t first = ranges_.size();
  std::uint32_t visible_from = 0;
  for (const std::int32_t i : live_) {
    const Event& e = event(i);
    if (e.begin >= begin) break;
    if (seen_[static_cast<std::size_t>(i)] != 0) continue;
    if (e.begin > visible_from) ranges_.push_back({visible_from, e.begin});
    visible_from = e.end;
  }
  rows_.push_back({.segment = static_cast<std::uint32_t>(segment),
                   .first_range = static_cast<std::uint32_t>(first),
                   .n_ranges = static_cast<std::uint32_t>(ranges_.size() - first),
                   .tail = visible_from});
  return static_cast<std::int32_t>(rows_.size()) - 1;
}

std::int32_t EventGraph::add_row_of_all(std::size_t segment) {
  rows_.push_back({.segment = static_cast<std::uint32_t>(segment),
                   .first_range = static_cast<std::uint32_t>(ranges_.size()),
                   .n_ranges = 0,
                   .tail = 0});
  return static_cast<std::int32_t>(rows_.size()) - 1;
}

VisibleTokens EventGraph::visible(std::size_t token) const {
  if (options_.mode == MaskMode::none) return {.before = {}, .tail = token + 1};
  const Row& row = rows_[row_of_[token]];
  return {.before = {ranges_.data() + row.first_range, row.n_ranges}, .tail = row.tail};
}

std::vector<TokenRange> EventGraph::ranges(std::size_t token) const {
  const VisibleTokens seen = visible(token);
  std::vector<TokenRange> out(seen.before.begin(), seen.before.end());
  if (seen.tail <= token)
    out.push_back({static_cast<std::uint32_t>(seen.tail), static_cast<std::uint32_t>(token + 1)});
  return out;
}

std::size_t EventGraph::bytes() const noexcept {
  std::size_t total = row_of_.size() * sizeof(row_of_[0]) + rows_.size() * sizeof(Row) +
                      ranges_.size() * sizeof(TokenRange) + events_.size() * sizeof(Event) +
                      edits_.size() * sizeof(Edit) + marks_.size() * sizeof(Mark);
  for (const Event& e : events_)
    total += (e.causes.size() + e.affected.size()) * sizeof(std::int32_t);
  return total;
}

}  // namespace hadal
