// The splits of world-model.md 3.3 on 10,000 worlds a side, in all domains.
#include "worlds/generator.h"
#include "worlds/plan.h"
#include "worlds/simulator.h"
#include "worlds/world_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace hadal::worlds {
namespace {

constexpr std::uint64_t kWorlds = 10000;

WorldOptions held_out() {
  WorldOptions options;
  options.hold_out_pairs = true;
  options.nouns_per_type = 8;
  return options;
}

WorldKey key_of(Split split, std::uint64_t i) {
  return {.split = split,
          .domain = i % domains().size(),
          .depth = 1 + static_cast<int>(i % 4),
          .seed = 9,
          .index = i};
}

/// Everything that the splits are made by.
struct Side {
  std::set<std::uint64_t> structures;
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> pairs;  // with the domain in front
  std::size_t n_worlds_with_held_out_pair_on_the_way = 0;
};

void add_pairs(const World& world, Side& side) {
  for (const Mechanism& a : world.mechanisms)
    for (const Mechanism& b : world.mechanisms)
      for (Literal l : a.eff)
        if (&a != &b && std::find(b.pre.begin(), b.pre.end(), l) != b.pre.end())
          side.pairs.insert({std::string(world.domain->name) + " " + template_of(world, a),
                             template_of(world, b)});
}

Side generate(Split split) {
  Side side;
  for (std::uint64_t i = 0; i < kWorlds; ++i) {
    const World world = generate_world(key_of(split, i), held_out());
    side.structures.insert(structure_hash(world));
    for (const Entity& entity : world.entities) side.names.insert(entity.name);
    add_pairs(world, side);
    side.n_worlds_with_held_out_pair_on_the_way += count_held_out_pairs(world, true) > 0 ? 1 : 0;
  }
  return side;
}

template <typename T>
std::size_t n_common(const std::set<T>& a, const std::set<T>& b) {
  std::size_t n = 0;
  for (const T& item : a) n += b.count(item);
  return n;
}

TEST(Splits, AreDisjointOnTenThousandWorldsOfEachSide) {
  const Side train = generate(Split::train);
  const Side test = generate(Split::test);
  const Side comp = generate(Split::test_comp);

  EXPECT_EQ(n_common(train.structures, test.structures), 0u);
  EXPECT_EQ(n_common(train.structures, comp.structures), 0u);
  EXPECT_EQ(n_common(train.names, comp.names), 0u);
  EXPECT_GT(n_common(train.names, test.names), 1000u) << "names of test are those of train";
  for (const Side* side : {&train, &test})
    for (const auto& [first, second] : side->pairs) {
      const std::size_t space = first.find(' ');
      EXPECT_FALSE(is_held_out_pair(first.substr(0, space), first.substr(space + 1), second))
          << first << " -> " << second;
    }
  EXPECT_EQ(train.n_worlds_with_held_out_pair_on_the_way, 0u);
  EXPECT_EQ(comp.n_worlds_with_held_out_pair_on_the_way, kWorlds);
  EXPECT_GT(train.pairs.size(), 500u);
}

TEST(Splits, FifteenInAHundredTemplatePairsAreHeldOut) {
  std::size_t n = 0;
  std::size_t n_held_out = 0;
  for (const Domain& domain : domains())
    for (const Property& a : domain.properties)
      for (const Property& b : domain.properties)
        for (std::size_t v = 0; v < n_values(a); ++v)
          for (std::size_t w = 0; w < n_values(b); ++w) {
            ++n;
            n_held_out += is_held_out_pair(domain.name, a.tools[v], b.tools[w]) ? 1 : 0;
          }
  // About 2500 pairs: a standard deviation of 0.7 %.
  EXPECT_NEAR(static_cast<double>(n_held_out) / static_cast<double>(n), 0.15, 0.03);
}

// The other half of the promise: training sees the templates themselves, only not in these pairs.
TEST(Splits, EveryTemplateOccursInTraining) {
  std::map<std::string, std::set<std::string>> seen;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const World world = generate_world(key_of(Split::train, i), held_out());
    for (const Mechanism& m : world.mechanisms)
      if (m.kind == MechanismKind::action)
        seen[std::string(world.domain->name)].insert(template_of(world, m));
  }
  for (const Domain& domain : domains()) {
    std::size_t n_tools = 0;
    for (const Property& property : domain.properties) n_tools += n_values(property);
    EXPECT_EQ(seen[std::string(domain.name)].size(), n_tools) << domain.name;
  }
}

// Test-depth: as many mechanisms at depth 8 as at depth 1 where the options ask for it.
TEST(Depth, DeepWorldsHaveAsManyMechanismsAsShallowOnes) {
  WorldOptions options = held_out();
  options.min_mechanisms = 10;
  options.max_mechanisms = 12;
  options.min_distractors = 2;
  for (std::size_t domain = 0; domain < domains().size(); ++domain) {
    for (int depth = 1; depth <= kMaxDepth; ++depth) {
      std::size_t n_mechanisms = 0;
      constexpr std::uint64_t kEach = 12;
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const World world = generate_world(
            {.split = Split::test, .domain = domain, .depth = depth, .seed = 4, .index = i},
            options);
        const auto plan = optimal_plan(world, world.initial);
        ASSERT_TRUE(plan);
        EXPECT_EQ(static_cast<int>(plan->size()), depth);
        EXPECT_GE(longest_causal_chain(world, *plan), depth - 1);
        EXPECT_LE(world.variables.size(), kMaxVariables);
        EXPECT_GE(world.mechanisms.size(), 10u);
        n_mechanisms += world.mechanisms.size();
      }
      EXPECT_NEAR(static_cast<double>(n_mechanisms) / static_cast<double>(kEach), 11.0, 1.5)
          << domains()[domain].name << " at depth " << depth;
    }
  }
}

// As a model would: by calls in words. Every step is valid and none before the last is enough.
TEST(Depth, ShortestPlansWorkOnTenThousandWorldsOfAllDomainsAndDepths) {
  WorldOptions options = held_out();
  options.branch_share = 0.35;
  options.second_goal_share = 0.2;
  options.max_mechanisms = 12;
  options.min_mechanisms = 8;
  for (std::uint64_t i = 0; i < kWorlds; ++i) {
    const WorldKey key{.split = i % 2 == 0 ? Split::train : Split::test,
                       .domain = i / 2 % domains().size(),
                       .depth = 1 + static_cast<int>(i / 12 % kMaxDepth),
                       .seed = 6,
                       .index = i};
    const World world = generate_world(key, options);
    const auto plan = optimal_plan(world, world.initial);
    ASSERT_TRUE(plan);
    ASSERT_EQ(static_cast<int>(plan->size()), key.depth);
    Simulator simulator(world);
    for (int m : *plan) {
      const Mechanism& action = world.mechanisms[static_cast<std::size_t>(m)];
      ASSERT_FALSE(simulator.goal_reached());
      const Argument item{std::string(world.domain->parameter), item_name(world, action)};
      const Outcome outcome = simulator.apply(tool_name(world, action), {&item, 1});
      ASSERT_TRUE(outcome.valid && outcome.changed) << outcome.text;
      ASSERT_EQ(outcome.mechanism, m) << "a call means one action";
    }
    ASSERT_TRUE(simulator.goal_reached());
  }
}

}  // namespace
}  // namespace hadal::worlds
