#include "worlds/plan.h"

#include "base/check.h"
#include "base/random.h"

#include <algorithm>
#include <array>

namespace hadal::worlds {
namespace {

/// The states seen so far, with a way back. Open addressing over the indices of `nodes`.
class SearchTree {
 public:
  struct Node {
    State state;
    int parent;  // -1 at the root
    int action;
  };

  SearchTree() : table_(kFirstTableSize, -1) {}

  bool insert(Node node) {
    if ((nodes_.size() + 1) * 2 > table_.size()) grow();
    const std::size_t slot = find(node.state);
    if (table_[slot] >= 0) return false;
    table_[slot] = static_cast<int>(nodes_.size());
    nodes_.push_back(node);
    return true;
  }
  const Node& operator[](std::size_t i) const { return nodes_[i]; }
  std::size_t size() const { return nodes_.size(); }

 private:
  static constexpr std::size_t kFirstTableSize = 128;

  std::size_t find(State state) const {
    std::size_t slot = splitmix64_mix(state) & (table_.size() - 1);
    while (table_[slot] >= 0 && nodes_[static_cast<std::size_t>(table_[slot])].state != state)
      slot = (slot + 1) & (table_.size() - 1);
    return slot;
  }
  void grow() {
    table_.assign(table_.size() * 2, -1);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      table_[find(nodes_[i].state)] = static_cast<int>(i);
  }

  std::vector<Node> nodes_;
  std::vector<int> table_;  // size: a power of two
};

std::vector<int> path_to(const SearchTree& tree, std::size_t node) {
  std::vector<int> path;
  for (int i = static_cast<int>(node); tree[static_cast<std::size_t>(i)].parent >= 0;
       i = tree[static_cast<std::size_t>(i)].parent)
    path.push_back(tree[static_cast<std::size_t>(i)].action);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace

std::optional<std::vector<int>> optimal_plan(const World& world, State state, int max_length) {
  return optimal_plan_to(world, world.goal, state, max_length);
}

std::optional<std::vector<int>> optimal_plan_to(const World& world, std::span<const Literal> goal,
                                                State state, int max_length) {
  if (all_hold(goal, state)) return std::vector<int>{};
  SearchTree tree;
  tree.insert({state, -1, -1});
  std::size_t level_begin = 0;
  for (int length = 1; length <= max_length; ++length) {
    const std::size_t level_end = tree.size();
    for (std::size_t i = level_begin; i < level_end; ++i) {
      const State from = tree[i].state;
      for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
        const Mechanism& action = world.mechanisms[m];
        if (action.kind != MechanismKind::action || !all_hold(action.pre, from)) continue;
        const State to = step(world, from, static_cast<int>(m));
        if (tree.insert({to, static_cast<int>(i), static_cast<int>(m)}) && all_hold(goal, to))
          return path_to(tree, tree.size() - 1);
      }
    }
    level_begin = level_end;
  }
  return std::nullopt;
}

std::vector<int> optimal_actions(const World& world, State state) {
  return optimal_actions_to(world, world.goal, state);
}

std::vector<int> optimal_actions_to(const World& world, std::span<const Literal> goal,
                                    State state) {
  std::vector<int> best;
  const auto plan = optimal_plan_to(world, goal, state);
  if (!plan || plan->empty()) return best;
  const int rest = static_cast<int>(plan->size()) - 1;
  for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
    const Mechanism& action = world.mechanisms[m];
    if (action.kind != MechanismKind::action || !all_hold(action.pre, state)) continue;
    const State next = step(world, state, static_cast<int>(m));
    if (next != state && optimal_plan_to(world, goal, next, rest))
      best.push_back(static_cast<int>(m));
  }
  return best;
}

bool reachable_without_losses(const World& world, std::span<const Literal> goal, State state) {
  State possible[2] = {~state, state};  // [value], one bit per variable
  const auto is_possible = [&](Literal l) {
    return (possible[l.value ? 1 : 0] >> l.variable & 1u) != 0;
  };
  for (bool grows = true; grows;) {
    grows = false;
    for (const Mechanism& m : world.mechanisms) {
      if (!std::all_of(m.pre.begin(), m.pre.end(), is_possible)) continue;
      for (Literal l : m.eff) {
        if (is_possible(l)) continue;
        possible[l.value ? 1 : 0] |= State{1} << l.variable;
        grows = true;
      }
    }
  }
  return std::all_of(goal.begin(), goal.end(), is_possible);
}

int longest_causal_chain(const World& world, const std::vector<int>& plan) {
  std::array<int, kMaxVariables>
      chain_of{};  // chain that ends with the action which made the variable what it is
  const auto chain_before = [&](const Mechanism& mechanism) {
    int longest = 0;
    for (Literal l : mechanism.pre) longest = std::max(longest, chain_of[l.variable]);
    return longest;
  };
  const auto assign = [&](const Mechanism& mechanism, State& state, int chain) {
    for (Literal l : mechanism.eff)
      if (!holds(l, state)) chain_of[l.variable] = chain;
    for (Literal l : mechanism.eff) state = with(state, l);
  };
  int longest = 0;
  State state = world.initial;
  for (int m : plan) {
    const Mechanism& action = world.mechanisms[static_cast<std::size_t>(m)];
    HADAL_CHECK(all_hold(action.pre, state), "the plan must be executable");
    const int chain = chain_before(action) + 1;
    longest = std::max(longest, chain);
    std::vector<int> fired;
    const State after = step(world, state, m, &fired);
    assign(action, state, chain);
    for (int law : fired) {
      const Mechanism& mechanism = world.mechanisms[static_cast<std::size_t>(law)];
      assign(mechanism, state, chain_before(mechanism));
    }
    state = after;
  }
  return longest;
}

}  // namespace hadal::worlds
