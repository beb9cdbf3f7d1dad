#include "worlds/world.h"

#include "base/random.h"

#include <algorithm>

namespace hadal::worlds {

bool all_hold(std::span<const Literal> literals, State state) noexcept {
  return std::all_of(literals.begin(), literals.end(), [&](Literal l) { return holds(l, state); });
}

State settle(const World& world, State state, std::vector<int>* fired) {
  for (int round = 0; round < kMaxLawRounds; ++round) {
    State next = state;
    for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
      const Mechanism& law = world.mechanisms[m];
      if (law.kind != MechanismKind::law || !all_hold(law.pre, state) || all_hold(law.eff, state))
        continue;
      for (Literal effect : law.eff) next = with(next, effect);
      if (fired != nullptr) fired->push_back(static_cast<int>(m));
    }
    if (next == state) break;
    state = next;
  }
  return state;
}

State step(const World& world, State state, int mechanism, std::vector<int>* fired) {
  for (Literal effect : world.mechanisms[static_cast<std::size_t>(mechanism)].eff)
    state = with(state, effect);
  return settle(world, state, fired);
}

std::size_t domain_of(const DomainChoice& choice, Split split, std::uint64_t index) {
  const std::uint64_t stream = fnv1a64("domain") + static_cast<std::uint64_t>(split);
  return choice.indices[splitmix64_at(stream, index) % choice.indices.size()];
}

std::string_view word_of(const World& world, Literal literal) {
  const Variable& variable = world.variables[literal.variable];
  return world.domain->properties[variable.property].words[variable.values[literal.value ? 1 : 0]];
}

std::string_view tool_name(const World& world, const Mechanism& action) {
  const Literal made = action.eff.front();
  const Variable& variable = world.variables[made.variable];
  return world.domain->properties[variable.property].tools[variable.values[made.value ? 1 : 0]];
}

const std::string& item_name(const World& world, const Mechanism& action) {
  return world.entities[world.variables[action.eff.front().variable].entity].name;
}

std::vector<bool> goal_ancestors(const World& world) {
  std::vector<bool> reached(world.mechanisms.size(), false);
  std::vector<Literal> wanted = world.goal;
  while (!wanted.empty()) {
    const Literal literal = wanted.back();
    wanted.pop_back();
    for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
      const Mechanism& mechanism = world.mechanisms[m];
      if (reached[m] ||
          std::find(mechanism.eff.begin(), mechanism.eff.end(), literal) == mechanism.eff.end())
        continue;
      reached[m] = true;
      wanted.insert(wanted.end(), mechanism.pre.begin(), mechanism.pre.end());
    }
  }
  return reached;
}

}  // namespace hadal::worlds
