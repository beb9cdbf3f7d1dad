// A world: a structural causal model over boolean variables with actions and laws
// (world-model.md 3.1), and its exact dynamics. Plain data, immutable after generation; threads may
// share it.
#pragma once

#include "worlds/domain.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hadal::worlds {

/// One bit per variable.
using State = std::uint32_t;
inline constexpr std::size_t kMaxVariables = 24;
inline constexpr int kMaxPlanLength = 10;  ///< searches give up beyond this number of actions
inline constexpr int kMaxLawRounds = 8;

enum class Split : std::uint8_t {
  train,
  test,        ///< causal structures that never occur in train; names of train
  test_names,  ///< as test, and only held-out adjective-noun pairs
  test_comp,   ///< as test_names, and a held-out template pair on the way to the goal
};

constexpr bool has_held_out_names(Split split) noexcept {
  return split == Split::test_names || split == Split::test_comp;
}

/// Names one world among all. The same key and options give the same world on every machine.
struct WorldKey {
  Split split = Split::train;
  std::size_t domain = 0;  ///< index into domains()
  int depth = 1;           ///< length of the shortest plan, 1..kMaxDepth
  std::uint64_t seed = 0;
  std::uint64_t index = 0;
};
inline constexpr int kMaxDepth = 8;

/// The domain of world `index` of a stream that mixes the chosen domains: a function of these three
/// alone, about equally often each.
std::size_t domain_of(const DomainChoice& choice, Split split, std::uint64_t index);

struct Entity {
  std::string name;  ///< "red pan": adjective, space, noun; unique in its world
  std::uint8_t type;
};

/// A property of an entity, for instance whether the red pan is hot.
struct Variable {
  std::uint8_t entity;
  std::uint8_t property;            ///< index into Domain::properties
  std::uint8_t values[2] = {0, 1};  ///< the property's values that stand for false and true here
};

struct Literal {
  std::uint8_t variable;
  bool value;
  friend bool operator==(const Literal&, const Literal&) = default;
};

constexpr bool holds(Literal literal, State state) noexcept {
  return ((state >> literal.variable & 1u) != 0) == literal.value;
}

constexpr State with(State state, Literal literal) noexcept {
  const State bit = State{1} << literal.variable;
  return literal.value ? state | bit : state & ~bit;
}

enum class MechanismKind : std::uint8_t {
  action,  ///< done by the agent: a call of the tool that gives the first effect's entity the first
           ///< effect's value
  law,     ///< fires by itself
};

struct Mechanism {
  MechanismKind kind;
  bool relevant =
      false;  ///< an ancestor of the goal (what <|rel|> marks); the others are distractors
  std::uint8_t phrasing = 0;  ///< 0..kPhrasings-1
  std::vector<Literal> pre;   ///< 0-3 literals, all of which must hold
  std::vector<Literal> eff;   ///< 1-2 literals
};

struct World {
  WorldKey key;
  const Domain* domain = nullptr;
  std::vector<Entity> entities;
  std::vector<Variable> variables;  ///< at most kMaxVariables
  std::vector<Mechanism> mechanisms;
  std::vector<Literal>
      facts;  ///< the literals true at the start that some mechanism needs or that are goals
  std::vector<Literal> goal;  ///< 1-2 literals, not all true at the start
  State initial = 0;          ///< no law can fire in it
  std::uint8_t goal_phrasing = 0;
};

bool all_hold(std::span<const Literal> literals, State state) noexcept;

/// The state after firing laws until nothing changes (at most kMaxLawRounds rounds; in each round
/// all enabled laws that would change something fire together). @param fired  if not null, appends
/// the laws' indices in order.
State settle(const World& world, State state, std::vector<int>* fired);

/// The state after the action `mechanism`, laws included. Requires that its preconditions hold.
State step(const World& world, State state, int mechanism, std::vector<int>* fired = nullptr);

/// "hot": the adjective of a literal.
std::string_view word_of(const World& world, Literal literal);

/// Tool and argument of an action.
std::string_view tool_name(const World& world, const Mechanism& action);
const std::string& item_name(const World& world, const Mechanism& action);

/// For each mechanism: is it reached from the goal by going from literals to the mechanisms that
/// have them as an effect and on to their preconditions? (world-model.md 3.2a: the closure of the
/// cause lists.)
std::vector<bool> goal_ancestors(const World& world);

}  // namespace hadal::worlds
