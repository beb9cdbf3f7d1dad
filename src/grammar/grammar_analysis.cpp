#include "grammar/grammar_analysis.h"

#include <algorithm>
#include <utility>

namespace hadal::grammar {
namespace {

template <typename Visit>
void for_each_successor(const Grammar& grammar, const State& state, Visit&& visit) {
  switch (state.kind) {
    case StateKind::read:
      for (const Edge& edge : grammar.edges_of(state)) visit(edge.target);
      return;
    case StateKind::split:
      for (const StateId target : grammar.targets_of(state)) visit(target);
      return;
    case StateKind::call:
    case StateKind::repeat:
      visit(state.first);
      visit(state.next);
      return;
    case StateKind::finish:
      return;
  }
}

// The least set of states for which `holds(id, set)`: a state is looked at again whenever one of
// its successors enters the set.
template <typename Holds>
std::vector<bool> least_fixed_point(const Grammar& grammar, Holds&& holds) {
  const std::size_t n = grammar.states.size();
  std::vector<std::uint32_t> begin(n + 1, 0);
  for (const State& state : grammar.states)
    for_each_successor(grammar, state, [&](StateId target) { ++begin[target + 1]; });
  for (std::size_t i = 0; i < n; ++i) begin[i + 1] += begin[i];
  std::vector<StateId> sources(begin[n]);
  std::vector<std::uint32_t> place(begin.begin(), begin.end() - 1);
  for (std::size_t id = 0; id < n; ++id) {
    for_each_successor(grammar, grammar.states[id], [&](StateId target) {
      sources[place[target]++] = static_cast<StateId>(id);
    });
  }

  std::vector<bool> set(n, false);
  std::vector<StateId> todo;
  const auto look_at = [&](StateId id) {
    if (set[id] || !holds(id, set)) return;
    set[id] = true;
    todo.push_back(id);
  };
  for (std::size_t id = 0; id < n; ++id) look_at(static_cast<StateId>(id));
  while (!todo.empty()) {
    const StateId id = todo.back();
    todo.pop_back();
    for (std::uint32_t i = begin[id]; i < begin[id + 1]; ++i) look_at(sources[i]);
  }
  return set;
}

/// The states from which the end of their rule can be reached. @param read_edges  also by reading
std::vector<bool> find_ending(const Grammar& grammar, bool read_edges) {
  return least_fixed_point(grammar, [&](StateId id, const std::vector<bool>& set) {
    const State& state = grammar.states[id];
    switch (state.kind) {
      case StateKind::read:
        return read_edges &&
               std::ranges::any_of(grammar.edges_of(state),
                                   [&](const Edge& edge) -> bool { return set[edge.target]; });
      case StateKind::split:
        return std::ranges::any_of(grammar.targets_of(state),
                                   [&](StateId target) -> bool { return set[target]; });
      case StateKind::call:
        return set[state.first] && set[state.next];
      case StateKind::repeat:
        return (set[state.first] || grammar.bounds[state.count].min == 0) && set[state.next];
      case StateKind::finish:
        return true;
    }
    return false;
  });
}

}  // namespace

std::vector<bool> find_productive(const Grammar& grammar) {
  return find_ending(grammar, true);
}

std::vector<bool> find_nullable(const Grammar& grammar) {
  return find_ending(grammar, false);
}

LeftPaths find_left_paths(const Grammar& grammar, const std::vector<bool>& nullable,
                          const std::vector<bool>& productive) {
  // Tarjan's strongly connected components over the steps that read no byte, without recursion.
  const std::size_t n = grammar.states.size();
  const auto steps_of = [&](StateId id, std::vector<StateId>& steps) {
    const State& state = grammar.states[id];
    steps.clear();
    if (!productive[id]) return;
    if (state.kind == StateKind::split) {
      const auto targets = grammar.targets_of(state);
      steps.assign(targets.begin(), targets.end());
    } else if (state.kind == StateKind::call || state.kind == StateKind::repeat) {
      const bool can_skip = nullable[state.first] || (state.kind == StateKind::repeat &&
                                                      grammar.bounds[state.count].min == 0);
      steps.push_back(state.first);
      if (can_skip) steps.push_back(state.next);
    }
  };

  struct Visit {
    StateId id;
    std::size_t next_step = 0;
    std::vector<StateId> steps;
  };
  constexpr std::uint32_t kNew = 0xffffffff;
  std::vector<std::uint32_t> order(n, kNew), low(n, 0), component(n, kNew), depth(n, 1);
  std::vector<StateId> open;
  std::vector<Visit> visits;
  std::uint32_t n_seen = 0, n_components = 0;
  LeftPaths found;

  const auto enter = [&](StateId id) {
    order[id] = low[id] = n_seen++;
    open.push_back(id);
    visits.push_back({id, 0, {}});
    steps_of(id, visits.back().steps);
  };
  for (std::size_t root = 0; root < n; ++root) {
    if (order[root] != kNew) continue;
    enter(static_cast<StateId>(root));
    while (!visits.empty()) {
      Visit& visit = visits.back();
      const StateId id = visit.id;
      if (visit.next_step < visit.steps.size()) {
        const StateId target = visit.steps[visit.next_step];
        if (order[target] == kNew) {
          enter(target);  // invalidates `visit`
          continue;
        }
        if (component[target] == kNew) low[id] = std::min(low[id], low[target]);
        depth[id] = std::max(depth[id], depth[target] + 1);
        ++visit.next_step;
        continue;
      }
      found.depth = std::max<std::size_t>(found.depth, depth[id]);
      if (low[id] == order[id]) {
        for (StateId member = kNew; member != id;) {
          member = open.back();
          open.pop_back();
          component[member] = n_components;
        }
        ++n_components;
      }
      visits.pop_back();
    }
  }
  for (std::size_t id = 0; id < n && !found.recursive_call; ++id) {
    const State& state = grammar.states[id];
    if (state.kind != StateKind::call || !productive[id]) continue;
    if (component[id] == component[state.first]) found.recursive_call = static_cast<StateId>(id);
  }
  return found;
}

}  // namespace hadal::grammar
