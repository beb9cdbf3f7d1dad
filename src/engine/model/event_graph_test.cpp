#include "engine/model/event_graph.h"

#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace hadal {
namespace {

constexpr std::int32_t kBy = 7, kColon = 8, kClose = 9, kFirstId = 10, kText = 200;

StructureTokens test_tokens() {
  std::array<std::int32_t, StructureTokens::kCount> list{};
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = static_cast<std::int32_t>(i);
  return StructureTokens::from_list(list);
}

// The definition of world-model.md 2.2 on a whole text: no automaton, the graph as of each moment
// built anew, closures by matrix products.
class Definition {
 public:
  using Set = std::set<std::size_t>;

  struct Event {
    EventKind kind;
    std::size_t begin, end;
    std::int32_t id = -1;
    std::size_t colon = kNever;
    std::size_t dropped = kNever;  // position of the opener that did it
    std::vector<std::pair<std::size_t, std::int32_t>> mentions;  // position, id
    Set open_row, final_row, affected;
    bool sees_all = false;
    std::size_t goal = kNever, act = kNever, ask = kNever;  // latest before it
  };
  static constexpr std::size_t kNever = ~std::size_t{0};

  Definition(std::vector<std::int32_t> tokens, MaskMode mode, std::size_t max_events)
      : tokens_(std::move(tokens)), mode_(mode), max_events_(max_events) {
    parse();
    for (Event& e : events_) fill_rows(e);
  }

  bool sees(std::size_t i, std::size_t j) const {
    if (j > i || mode_ == MaskMode::none) return false;
    if (mode_ == MaskMode::token_causal) return true;
    const std::size_t own = event_at(i), other = event_at(j);
    if (other == kNever || other == own) return true;
    if (own == kNever) return events_[other].dropped <= i;
    const Event& e = events_[own];
    if (e.sees_all) return true;
    const bool is_final = i > e.colon;
    if (events_[other].dropped <= e.begin) return true;  // drops happen at openers alone
    return (is_final ? e.final_row : e.open_row).count(other) > 0;
  }
  std::size_t segment(std::size_t i) const { return event_at(i) + 1; }
  const std::vector<Event>& events() const { return events_; }

 private:
  std::size_t event_at(std::size_t i) const {
    for (std::size_t e = 0; e < events_.size(); ++e)
      if (i >= events_[e].begin && i < events_[e].end) return e;
    return kNever;
  }

  bool live(std::size_t e, std::size_t now) const {
    return events_[e].begin < now && events_[e].dropped > now;
  }

  bool room_at(std::size_t opener) {
    for (;;) {
      std::size_t n_live = 0, oldest = kNever;
      for (std::size_t e = events_.size(); e-- > 0;) {
        if (!live(e, opener)) continue;
        ++n_live;
        if (events_[e].kind == EventKind::act || events_[e].kind == EventKind::obs) oldest = e;
      }
      if (n_live < max_events_) return true;
      if (oldest == kNever) return false;
      events_[oldest].dropped = opener;
      for (Event& e : events_)
        if (e.kind == EventKind::obs && e.act == oldest && e.dropped > opener) e.dropped = opener;
    }
  }

  void parse() {
    std::size_t goal = kNever, act = kNever, ask = kNever;
    for (std::size_t i = 0; i < tokens_.size();) {
      if (tokens_[i] < 0 || tokens_[i] > 6 || !room_at(i)) {
        ++i;
        continue;
      }
      Event e;
      e.kind = static_cast<EventKind>(tokens_[i]);
      e.begin = i;
      e.end = i + 1;
      e.goal = goal, e.act = act, e.ask = ask;
      while (e.end < tokens_.size() && tokens_[e.end] > 6)
        if (tokens_[e.end++] == kClose) break;
      bool in_list = false;
      for (std::size_t k = i + 1; k < e.end && e.colon == kNever; ++k) {
        const std::int32_t token = tokens_[k];
        const bool is_id = token >= kFirstId && token < kText;
        if (k == i + 1 && is_id)
          e.id = token - kFirstId;
        else if (in_list && is_id)
          e.mentions.emplace_back(k, token - kFirstId);
        if (token == kBy) in_list = true;
        if (token == kColon) e.colon = k;
      }
      if (e.kind == EventKind::goal) goal = events_.size();
      if (e.kind == EventKind::act) act = events_.size();
      if (e.kind == EventKind::ask) ask = events_.size();
      i = e.end;
      events_.push_back(e);
    }
  }

  std::size_t declared(std::size_t e) const { return events_[e].begin + 1; }

  // What a mention means at `now`.
  std::size_t resolve(std::size_t by, std::size_t position, std::int32_t id,
                      std::size_t now) const {
    for (std::size_t e = events_.size(); e-- > 0;) {
      if (events_[e].id != id || declared(e) > position || events_[e].dropped <= position) continue;
      if (std::any_of(
              events_.begin() + static_cast<std::ptrdiff_t>(e) + 1, events_.end(),
              [&](const Event& later) { return later.id == id && later.begin + 1 <= position; }))
        break;  // a later declaration took the id over (and has been dropped)
      return e == by ? kNever : e;
    }
    for (std::size_t e = 0; e < events_.size(); ++e)
      if (events_[e].id == id && declared(e) > position && declared(e) <= now) return e;
    return kNever;
  }

  // causes(s), both ends live at `now` (s itself may be the event that is being written).
  Set causes(std::size_t s, std::size_t now) const {
    Set out;
    for (const auto& [position, id] : events_[s].mentions) {
      if (position > now) continue;
      const std::size_t e = resolve(s, position, id, now);
      if (e != kNever && events_[e].dropped > now) out.insert(e);
    }
    return out;
  }

  Set closure(const Set& from, std::size_t now) const {
    Set out;
    for (const std::size_t e : from)
      if (events_[e].dropped > now) out.insert(e);
    const std::size_t rounds = mode_ == MaskMode::causal_parents ? 1 : events_.size();
    for (std::size_t r = 0; r < rounds; ++r) {
      Set next = out;
      for (const std::size_t e : out) next.merge(causes(e, now));
      if (next == out) break;
      out = next;
    }
    return out;
  }

  void fill_rows(Event& e) {
    const auto s = static_cast<std::size_t>(&e - events_.data());
    const std::size_t now = e.begin;
    const auto add = [&](Set& row, Set more) { row.merge(more); };
    if (e.kind == EventKind::act) {
      e.sees_all = e.goal == kNever || causes(e.goal, now).empty();
      if (e.goal != kNever) add(e.open_row, closure({e.goal}, now));
    }
    if (e.kind == EventKind::ans && e.ask != kNever) {
      add(e.open_row, closure({e.ask}, now));
      add(e.open_row, events_[e.ask].affected);
    }
    if (e.kind == EventKind::obs && e.act != kNever) e.open_row.insert(e.act);
    if (e.kind == EventKind::act || e.kind == EventKind::ask || e.kind == EventKind::ans)
      for (std::size_t h = 0; h < s; ++h)
        if (events_[h].kind == EventKind::act || events_[h].kind == EventKind::obs)
          e.open_row.insert(h);
    if (e.colon == kNever) return;
    e.final_row = e.open_row;
    const Set named = causes(s, e.colon);
    add(e.final_row, closure(named, e.colon));
    if (e.kind != EventKind::ask) return;
    for (std::size_t v = 0; v <= s; ++v) {
      if (events_[v].dropped <= e.colon) continue;
      for (const std::size_t a : closure({v}, e.colon))
        if (named.count(a) > 0) e.affected.insert(v);
    }
    add(e.final_row, e.affected);
  }

  std::vector<std::int32_t> tokens_;
  MaskMode mode_;
  std::size_t max_events_;
  std::vector<Event> events_;
};

std::int32_t id_token(std::uint32_t id) {
  return kFirstId + static_cast<std::int32_t>(id);
}

// Mostly well-formed events over few ids (so that ids are reused, cited ahead and in cycles), with
// damage.
std::vector<std::int32_t> random_stream(RandomStream& random) {
  std::vector<std::int32_t> out;
  const std::uint32_t n_events = 2 + random.below(14);
  const std::uint32_t n_ids = 2 + random.below(12);
  for (std::uint32_t e = 0; e < n_events; ++e) {
    for (std::uint32_t i = random.below(3); i > 0; --i) out.push_back(kText);
    const std::uint32_t shape = random.below(4);  // the second half likes acts and obs
    out.push_back(shape == 0 && e > n_events / 2 ? 3 + static_cast<std::int32_t>(random.below(2))
                                                 : static_cast<std::int32_t>(random.below(7)));
    out.push_back(id_token(random.below(n_ids)));
    if (random.below(5) > 0) {
      out.push_back(kBy);
      for (std::uint32_t i = random.below(4); i > 0; --i)
        out.push_back(id_token(random.below(n_ids + 1)));
    }
    out.push_back(kColon);
    for (std::uint32_t i = random.below(3); i > 0; --i) out.push_back(kText);
    out.push_back(kClose);
  }
  if (random.below(2) == 0) return out;
  for (std::uint32_t damage = 1 + random.below(4); damage > 0; --damage) {
    const std::size_t at = random.below(static_cast<std::uint32_t>(out.size()));
    const auto any = static_cast<std::int32_t>(random.below(10 + n_ids));
    switch (random.below(3)) {
      case 0:
        out[at] = any;
        break;
      case 1:
        out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), any);
        break;
      default:
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  return out;
}

std::vector<TokenRange> ranges_of(const Definition& definition, std::size_t i) {
  std::vector<TokenRange> out;
  for (std::uint32_t j = 0; j <= i; ++j) {
    if (!definition.sees(i, j)) continue;
    if (!out.empty() && out.back().end == j)
      ++out.back().end;
    else
      out.push_back({j, j + 1});
  }
  return out;
}

// Pushes with up to three detours: other tokens, which truncate takes back together with some of
// those before.
void push_with_detours(EventGraph& graph, const std::vector<std::int32_t>& tokens,
                       RandomStream& random) {
  std::uint32_t n_detours = random.below(4);
  for (std::size_t n = 0; n < tokens.size();) {
    if (n_detours > 0 && random.below(16) == 0) {
      --n_detours;
      for (const std::int32_t token : random_stream(random)) graph.push(token);
      n = random.below(static_cast<std::uint32_t>(n) + 1);
      graph.truncate(n);
    }
    graph.push(tokens[n++]);
  }
}

TEST(EventGraph, RowsAreTheDefinitionOn10000StreamsAfterDetours) {
  constexpr MaskMode kModes[] = {MaskMode::causal_graph, MaskMode::causal_graph,
                                 MaskMode::causal_parents, MaskMode::token_causal, MaskMode::none};
  RandomStream random(1);
  std::size_t n_dropped = 0, n_ignored = 0, n_without_goal = 0;
  for (int stream = 0; stream < 10000; ++stream) {
    const MaskMode mode = kModes[random.below(5)];
    const std::size_t max_events = random.below(3) == 0 ? random.below(8) : 256;
    const std::vector<std::int32_t> tokens = random_stream(random);
    EventGraph graph(test_tokens(), {.mode = mode, .max_events = max_events});
    push_with_detours(graph, tokens, random);
    const Definition definition(tokens, mode, max_events);
    ASSERT_EQ(graph.n_tokens(), tokens.size());
    ASSERT_EQ(graph.events().size(), definition.events().size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_EQ(graph.segment(i), definition.segment(i)) << "stream " << stream << " token " << i;
      ASSERT_EQ(graph.ranges(i), ranges_of(definition, i)) << "stream " << stream << " token " << i;
    }
    std::size_t dropped = 0;
    for (std::size_t e = 0; e < graph.events().size(); ++e) {
      const EventGraph::Event& event = graph.events()[e];
      ASSERT_EQ(event.end, definition.events()[e].end);
      ASSERT_EQ(event.id, definition.events()[e].id);
      dropped += event.dropped ? 1 : 0;
    }
    ASSERT_EQ(graph.counters().n_dropped, dropped);
    n_dropped += dropped;
    n_ignored += graph.counters().n_ignored;
    n_without_goal += graph.counters().n_without_goal;
  }
  EXPECT_GT(n_dropped, 1000u);
  EXPECT_GT(n_ignored, 1000u);
  EXPECT_GT(n_without_goal, 1000u);
}

TEST(EventGraph, RandomGraphKeepsTheSizesOfRowsAndMovesMechsAndFactsAlone) {
  RandomStream random(2);
  std::size_t n_moved = 0;
  for (int stream = 0; stream < 500; ++stream) {
    const std::vector<std::int32_t> tokens = random_stream(random);
    EventGraph plain(test_tokens(), {});
    EventGraph permuted(test_tokens(), {.mode = MaskMode::random_graph, .seed = 7});
    plain.push(tokens);
    push_with_detours(permuted, tokens, random);
    const auto seen_events = [](const EventGraph& graph, std::size_t i, bool columns) {
      std::set<std::size_t> out;
      for (const TokenRange& range : graph.ranges(i)) {
        for (std::size_t j = range.begin; j < range.end; ++j) {
          if (graph.segment(j) == 0) continue;
          const EventKind kind = graph.events()[graph.segment(j) - 1].kind;
          if ((kind == EventKind::mech || kind == EventKind::fact) == columns)
            out.insert(graph.segment(j));
        }
      }
      return out;
    };
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_EQ(seen_events(plain, i, false), seen_events(permuted, i, false));
      ASSERT_EQ(seen_events(plain, i, true).size(), seen_events(permuted, i, true).size());
      n_moved += seen_events(plain, i, true) != seen_events(permuted, i, true);
    }
  }
  EXPECT_GT(n_moved, 100u);
}

TEST(EventGraph, AnActSeesGoalItsAncestorsAndHistoryButNoDistractor) {
  EventGraph graph(test_tokens(), {});
  const auto event = [&](EventKind kind, std::int32_t id, std::vector<std::int32_t> causes) {
    graph.push(static_cast<std::int32_t>(kind));
    graph.push(kFirstId + id);
    graph.push(kBy);
    for (const std::int32_t cause : causes) graph.push(kFirstId + cause);
    graph.push(kColon);
    graph.push(kText);
    graph.push(kClose);
    return graph.n_tokens() - 1;
  };
  graph.push(kText);                                      // 0
  event(EventKind::fact, 0, {});                          // 1 .. 6
  event(EventKind::mech, 1, {0});                         // 7 .. 13
  event(EventKind::mech, 2, {0});                         // 14 .. 20: a distractor
  event(EventKind::goal, 3, {1});                         // 21 .. 27
  const std::size_t act = event(EventKind::act, 4, {1});  // 28 .. 34
  const std::vector<TokenRange> expected = {{0, 14}, {21, 35}};
  EXPECT_EQ(graph.ranges(act), expected);
  EXPECT_EQ(graph.ranges(30), (std::vector<TokenRange>{{0, 14}, {21, 31}}));
  const std::size_t obs = event(EventKind::obs, 5, {4});  // its act, expanded: mech 1, fact 0
  EXPECT_EQ(graph.ranges(obs), (std::vector<TokenRange>{{0, 14}, {28, 42}}));
  EXPECT_EQ(graph.ranges(obs - 6), (std::vector<TokenRange>{{0, 1}, {28, 36}}));
  graph.push(kText);
  EXPECT_EQ(graph.ranges(42), (std::vector<TokenRange>{{0, 1}, {42, 43}}));
}

TEST(StructureTokens, NamesAreThoseOfTheNarratives) {
  EXPECT_EQ(StructureTokens::name(0), "<|mech|>");
  EXPECT_EQ(StructureTokens::name(6), "<|ans|>");
  EXPECT_EQ(StructureTokens::name(7), "<|by|>");
  EXPECT_EQ(StructureTokens::name(8), "<|:|>");
  EXPECT_EQ(StructureTokens::name(9), "<|/ev|>");
  EXPECT_EQ(StructureTokens::name(10), "<|e0|>");
  EXPECT_EQ(StructureTokens::name(StructureTokens::kCount - 1), "<|e95|>");
}

TEST(MaskMode, NamesComeBack) {
  for (const char* name :
       {"causal_graph", "causal_parents", "token_causal", "random_graph", "none"}) {
    ASSERT_TRUE(parse_mask_mode(name).has_value());
    EXPECT_EQ(name_of(*parse_mask_mode(name)), name);
  }
  EXPECT_FALSE(parse_mask_mode("causal").has_value());
}

}  // namespace
}  // namespace hadal
