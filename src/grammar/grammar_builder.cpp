#include "grammar/grammar_builder.h"

#include "grammar/grammar_analysis.h"

#include <algorithm>
#include <bitset>
#include <utility>

namespace hadal::grammar {
namespace {

void find_byte_classes(Grammar& grammar) {
  std::bitset<257> begins;
  for (const Edge& edge : grammar.edges) {
    begins.set(edge.low);
    begins.set(std::size_t{edge.high} + 1);
  }
  std::uint8_t current = 0;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (byte > 0 && begins[byte]) ++current;
    grammar.class_of_byte[byte] = current;
  }
  grammar.n_classes = std::size_t{current} + 1;
}

void drop_unproductive(Grammar& grammar, const std::vector<bool>& productive) {
  for (State& state : grammar.states) {
    if (state.kind == StateKind::read) {
      auto* const first = grammar.edges.data() + state.first;
      auto* const last = std::remove_if(first, first + state.count,
                                        [&](const Edge& e) { return !productive[e.target]; });
      state.count = static_cast<std::uint32_t>(last - first);
    } else if (state.kind == StateKind::split) {
      auto* const first = grammar.targets.data() + state.first;
      auto* const last = std::remove_if(first, first + state.count,
                                        [&](StateId target) { return !productive[target]; });
      state.count = static_cast<std::uint32_t>(last - first);
    } else if (state.kind == StateKind::repeat && !productive[state.first]) {
      const auto place = static_cast<std::uint32_t>(grammar.targets.size());
      grammar.targets.push_back(state.next);
      state = {.kind = StateKind::split, .first = place, .count = 1};
    }
  }
}

bool only_returns(const Grammar& grammar, StateId id) {
  for (int hops = 0; hops < 8; ++hops) {
    const State& state = grammar.states[id];
    if (id == kReturn) return true;
    if (state.kind != StateKind::split || state.count != 1) return false;
    id = grammar.targets[state.first];
  }
  return false;
}

}  // namespace

GrammarBuilder::GrammarBuilder() {
  grammar_.states.push_back({.kind = StateKind::finish});  // kAccept
  grammar_.states.push_back({.kind = StateKind::finish});  // kReturn
}

StateId GrammarBuilder::add(State state) {
  if (grammar_.states.size() >= kMaxStates || grammar_.edges.size() >= 4 * kMaxStates ||
      grammar_.targets.size() >= 4 * kMaxStates) {
    full_ = true;
    return kReturn;
  }
  grammar_.states.push_back(state);
  return static_cast<StateId>(grammar_.states.size() - 1);
}

StateId GrammarBuilder::read(std::vector<Edge> edges) {
  if (full_) return kReturn;
  const auto first = static_cast<std::uint32_t>(grammar_.edges.size());
  grammar_.edges.insert(grammar_.edges.end(), edges.begin(), edges.end());
  return add(
      {.kind = StateKind::read, .first = first, .count = static_cast<std::uint32_t>(edges.size())});
}

StateId GrammarBuilder::read_with(StateId state, Edge edge) {
  const auto old = grammar_.edges_of(grammar_.states[state]);
  std::vector<Edge> edges(old.begin(), old.end());
  edges.push_back(edge);
  return read(std::move(edges));
}

StateId GrammarBuilder::byte_range(std::uint8_t low, std::uint8_t high, StateId next) {
  return read({{low, high, next}});
}

StateId GrammarBuilder::literal(std::string_view bytes, StateId next) {
  for (std::size_t i = bytes.size(); i-- > 0;) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    next = byte_range(byte, byte, next);
  }
  return next;
}

StateId GrammarBuilder::special_token(std::string_view text, StateId next) {
  next = byte_range(kSpecialEnd, kSpecialEnd, next);
  return byte_range(kSpecialBegin, kSpecialBegin, literal(text, next));
}

StateId GrammarBuilder::split(std::vector<StateId> targets) {
  if (targets.size() == 1) return targets.front();
  if (targets.empty()) return read({});
  const StateId id = undecided();
  decide(id, std::move(targets));
  return id;
}

StateId GrammarBuilder::repeat(StateId body, std::uint32_t min, std::uint32_t max, StateId next) {
  if (max == 0) return next;
  grammar_.bounds.push_back({min, max});
  return add({.kind = StateKind::repeat,
              .first = body,
              .count = static_cast<std::uint32_t>(grammar_.bounds.size() - 1),
              .next = next});
}

StateId GrammarBuilder::call(RuleId rule, StateId next) {
  return add({.kind = StateKind::call, .first = rule, .next = next});
}

StateId GrammarBuilder::undecided() {
  return add({.kind = StateKind::split});
}

void GrammarBuilder::decide(StateId undecided, std::vector<StateId> targets) {
  if (full_) return;
  State& state = grammar_.states[undecided];
  state.first = static_cast<std::uint32_t>(grammar_.targets.size());
  state.count = static_cast<std::uint32_t>(targets.size());
  grammar_.targets.insert(grammar_.targets.end(), targets.begin(), targets.end());
}

RuleId GrammarBuilder::add_rule(std::string name) {
  if (rule_starts_.size() >= kMaxRules) {
    full_ = true;
    return 0;
  }
  rule_names_.push_back(std::move(name));
  rule_starts_.push_back(kReturn);
  return static_cast<RuleId>(rule_starts_.size() - 1);
}

void GrammarBuilder::define_rule(RuleId rule, StateId start) {
  rule_starts_[rule] = start;
}

Result<Grammar> GrammarBuilder::finish(RuleId root, std::string_view subject) && {
  grammar_.start = call(root, kAccept);
  if (full_) {
    return error(ErrorCode::unsupported,
                 "{}: too large: needs more than {} states or {} rules; use smaller bounds or "
                 "fewer alternatives",
                 subject, kMaxStates, kMaxRules);
  }
  std::vector<RuleId> called(grammar_.states.size(), 0);
  for (std::size_t id = 0; id < grammar_.states.size(); ++id) {
    State& state = grammar_.states[id];
    if (state.kind != StateKind::call) continue;
    called[id] = state.first;
    state.first = rule_starts_[state.first];
  }

  const std::vector<bool> productive = find_productive(grammar_);
  if (!productive[grammar_.start]) {
    return error(ErrorCode::invalid_argument, "{}: nothing can match it", subject);
  }
  drop_unproductive(grammar_, productive);
  const std::vector<bool> nullable = find_nullable(grammar_);
  const LeftPaths left = find_left_paths(grammar_, nullable, productive);
  if (left.recursive_call) {
    return error(ErrorCode::unsupported,
                 "{}: left recursion: {} can begin with itself before reading anything", subject,
                 rule_names_[called[*left.recursive_call]]);
  }
  if (left.depth > kMaxLeftDepth) {
    return error(ErrorCode::unsupported,
                 "{}: {} nested rules and alternatives before the first byte, expected at most {}",
                 subject, left.depth, kMaxLeftDepth);
  }
  for (std::size_t id = 0; id < grammar_.states.size(); ++id) {
    State& state = grammar_.states[id];
    if (!productive[id]) continue;
    if (state.kind == StateKind::repeat && nullable[state.first]) {
      Bounds& bounds = grammar_.bounds[state.count];
      bounds.min = 0;  // empty rounds would fill it
      if (bounds.max == 1 || bounds.max == kUnbounded) continue;
      return error(ErrorCode::unsupported,
                   "{}: a repetition with an upper bound holds something that can be empty; "
                   "make it non-empty or drop the bound",
                   subject);
    }
    if (state.kind == StateKind::call) state.is_tail_call = only_returns(grammar_, state.next);
  }
  find_byte_classes(grammar_);
  return std::move(grammar_);
}

}  // namespace hadal::grammar
