#include "worlds/world_hash.h"

#include "base/random.h"

#include <fmt/format.h>

#include <algorithm>

namespace hadal::worlds {
namespace {

constexpr int kRounds =
    4;  // structures of our size are told apart by neighbourhoods of this radius or not at all

enum EdgeKind : std::uint64_t { precondition = 1, effect = 2, goal = 3 };

/// Sums of mixed values do not depend on the order of the neighbours.
std::uint64_t message(EdgeKind kind, bool holds_at_start, std::uint64_t colour) {
  return splitmix64_mix(colour * 8 + kind * 2 + (holds_at_start ? 1 : 0));
}

}  // namespace

std::uint64_t structure_hash(const World& world) {
  std::vector<std::uint64_t> variables(world.variables.size(), 1);
  std::vector<std::uint64_t> mechanisms(world.mechanisms.size());
  for (std::size_t m = 0; m < mechanisms.size(); ++m)
    mechanisms[m] = world.mechanisms[m].kind == MechanismKind::action ? 2 : 3;

  for (int round = 0; round < kRounds; ++round) {
    auto next_variables = variables;
    auto next_mechanisms = mechanisms;
    for (Literal l : world.goal)
      next_variables[l.variable] += message(goal, holds(l, world.initial), 0);
    for (std::size_t m = 0; m < mechanisms.size(); ++m) {
      const auto connect = [&](Literal l, EdgeKind kind) {
        const bool at_start = holds(l, world.initial);
        next_mechanisms[m] += message(kind, at_start, variables[l.variable]);
        next_variables[l.variable] += message(kind, at_start, mechanisms[m]);
      };
      for (Literal l : world.mechanisms[m].pre) connect(l, precondition);
      for (Literal l : world.mechanisms[m].eff) connect(l, effect);
    }
    for (auto& colour : next_variables) colour = splitmix64_mix(colour);
    for (auto& colour : next_mechanisms) colour = splitmix64_mix(colour);
    variables = std::move(next_variables);
    mechanisms = std::move(next_mechanisms);
  }
  std::uint64_t hash = fnv1a64(world.domain->name);
  for (auto colour : variables) hash += splitmix64_mix(colour ^ 0x76);
  for (auto colour : mechanisms) hash += splitmix64_mix(colour ^ 0x6d);
  return splitmix64_mix(hash);
}

bool is_held_out_structure(std::uint64_t structure_hash) {
  return structure_hash % 5 == 0;
}

std::string template_of(const World& world, const Mechanism& mechanism) {
  if (mechanism.kind == MechanismKind::action) return std::string(tool_name(world, mechanism));
  return fmt::format("law {}", word_of(world, mechanism.eff.front()));
}

bool is_held_out_pair(std::string_view domain, std::string_view first, std::string_view second) {
  const std::uint64_t pair = splitmix64_at(fnv1a64(first), fnv1a64(second));
  return splitmix64_mix(pair ^ fnv1a64(domain)) % 20 < 3;
}

std::size_t count_held_out_pairs(const World& world, bool relevant_only) {
  const auto relevant = relevant_only ? goal_ancestors(world) : std::vector<bool>();
  const auto counts = [&](std::size_t m) { return !relevant_only || relevant[m]; };
  std::size_t n = 0;
  for (std::size_t first = 0; first < world.mechanisms.size(); ++first) {
    for (std::size_t second = 0; second < world.mechanisms.size(); ++second) {
      if (first == second || !counts(first) || !counts(second)) continue;
      const Mechanism& a = world.mechanisms[first];
      const Mechanism& b = world.mechanisms[second];
      const bool enables = std::any_of(a.eff.begin(), a.eff.end(), [&](Literal l) {
        return std::find(b.pre.begin(), b.pre.end(), l) != b.pre.end();
      });
      if (enables &&
          is_held_out_pair(world.domain->name, template_of(world, a), template_of(world, b)))
        ++n;
    }
  }
  return n;
}

}  // namespace hadal::worlds
