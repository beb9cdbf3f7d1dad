#include "worlds/generator.h"

#include "base/check.h"
#include "base/random.h"
#include "worlds/plan.h"
#include "worlds/world_hash.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace hadal::worlds {
namespace {

constexpr std::uint64_t kMaxAttempts = 100000;

template <typename T>
void shuffle(std::vector<T>& items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[random.below(static_cast<std::uint32_t>(i))]);
}

template <typename T>
bool contains(const std::vector<T>& items, const T& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

/// Held-out template pairs are in test_comp alone, which is checked again once it is known which
/// mechanisms are relevant.
bool has_right_pairs(const World& world, const WorldOptions& options) {
  if (world.key.split == Split::test_comp || !options.hold_out_pairs) return true;
  return count_held_out_pairs(world, /*relevant_only=*/false) == 0;
}

/// Builds one candidate around its intended plan. `failed()` tells that the variables or names ran
/// out.
class Builder {
 public:
  Builder(const WorldKey& key, const WorldOptions& options, std::uint64_t stream)
      : options_(options), random_(stream) {
    world_.key = key;
    world_.domain = &domains()[key.domain];
  }

  std::optional<World> build() {
    add_plan();
    if (chance(options_.spare_share)) add_spare();
    if (!failed_) add_distractors();
    if (!failed_ && chance(options_.mutex_share)) add_mutex();
    if (failed_ || !has_right_pairs(world_, options_)) return std::nullopt;
    finish();
    return std::move(world_);
  }

 private:
  bool chance(double share) { return random_.uniform() < share; }
  std::uint8_t pick(std::size_t n) {
    return static_cast<std::uint8_t>(random_.below(static_cast<std::uint32_t>(n)));
  }
  Mechanism& mechanism(std::size_t i) { return world_.mechanisms[i]; }

  // --- entities and variables ---

  std::optional<std::uint8_t> second_property_entity() {
    std::vector<std::uint8_t> candidates;
    for (std::size_t e = 0; e < world_.entities.size(); ++e)
      if (free_properties(e).size() == 1) candidates.push_back(static_cast<std::uint8_t>(e));
    if (candidates.empty()) return std::nullopt;
    return candidates[pick(candidates.size())];
  }

  std::vector<std::uint8_t> free_properties(std::size_t entity) const {
    std::vector<std::uint8_t> free;
    for (std::uint8_t p : world_.domain->types[world_.entities[entity].type].properties)
      if (std::none_of(world_.variables.begin(), world_.variables.end(),
                       [&](const Variable& v) { return v.entity == entity && v.property == p; }))
        free.push_back(p);
    return free;
  }

  /// A new entity whose adjective and noun no other entity of this world has: either word names it.
  std::uint8_t new_entity() {
    const Domain& domain = *world_.domain;
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const std::uint8_t type = pick(domain.types.size());
      const std::uint8_t noun = pick(n_nouns(domain.types[type], options_.nouns_per_type));
      const std::uint8_t adjective = pick(domain.adjectives.size());
      const std::string_view words[2] = {domain.adjectives[adjective],
                                         domain.types[type].nouns[noun]};
      if (is_held_out_name(words[0], words[1]) != has_held_out_names(world_.key.split)) continue;
      if (contains(used_words_, words[0]) || contains(used_words_, words[1])) continue;
      used_words_.insert(used_words_.end(), {words[0], words[1]});
      world_.entities.push_back({std::string(words[0]) + " " + std::string(words[1]), type});
      return static_cast<std::uint8_t>(world_.entities.size() - 1);
    }
    failed_ = true;
    return 0;
  }

  /// A literal over a new variable, with the given truth at the start. Which of the two words it
  /// is, is random.
  Literal new_literal(bool true_at_start) {
    if (world_.variables.size() == kMaxVariables) {
      failed_ = true;
      return {0, true};
    }
    std::optional<std::uint8_t> shared;
    if (chance(options_.same_entity_share)) shared = second_property_entity();
    const std::uint8_t entity = shared ? *shared : new_entity();
    if (failed_) return {0, true};
    const auto properties = free_properties(entity);
    const auto variable = static_cast<std::uint8_t>(world_.variables.size());
    world_.variables.push_back({entity, properties[pick(properties.size())]});
    draw_values(world_.variables.back());
    const Literal literal{variable, chance(0.5)};
    world_.initial = with(world_.initial, {variable, literal.value == true_at_start});
    return literal;
  }

  /// Two different values of a property that has more.
  void draw_values(Variable& variable) {
    const std::size_t n = n_values(world_.domain->properties[variable.property]);
    if (n == 2) return;
    variable.values[0] = pick(n);
    variable.values[1] = static_cast<std::uint8_t>((variable.values[0] + 1u + pick(n - 1)) % n);
  }

  Literal fact() {
    const bool full = world_.variables.size() == kMaxVariables;
    if (!facts_.empty() && (full || chance(options_.reuse_fact_share)))
      return facts_[pick(facts_.size())];
    const Literal literal = new_literal(true);
    facts_.push_back(literal);
    return literal;
  }

  std::size_t draw_fact_count() {
    const double u = random_.uniform();
    if (u < options_.two_facts_share) return 2;
    if (u < options_.two_facts_share + options_.one_fact_share) return 1;
    return facts_.empty() ? 1 : 0;  // something must hold at the start for distractors to share
  }

  void add_facts(std::vector<Literal>& pre) {
    for (std::size_t n = draw_fact_count(); n > 0 && pre.size() < 3; --n) {
      const Literal literal = fact();
      if (!contains(pre, literal)) pre.push_back(literal);
    }
  }

  std::size_t add_mechanism(MechanismKind kind, std::vector<Literal> pre, Literal effect) {
    Mechanism m{.kind = kind, .pre = std::move(pre), .eff = {effect}};
    m.phrasing = pick(kPhrasings);
    world_.mechanisms.push_back(std::move(m));
    return world_.mechanisms.size() - 1;
  }

  // --- the plan and what it needs ---

  /// A chain of actions, each needing what the one before made, perhaps with a law in between,
  /// perhaps with one more action beside the chain.
  void add_plan() {
    const int depth = world_.key.depth;
    const bool branch = depth >= 2 && chance(options_.branch_share);
    const int chain = branch ? depth - 1 : depth;
    const int law_after = chance(options_.law_share)
                              ? static_cast<int>(random_.below(static_cast<std::uint32_t>(chain)))
                              : -1;
    std::optional<Literal> link;
    for (int i = 0; i < chain; ++i) {
      std::vector<Literal> pre;
      if (link) pre.push_back(*link);
      add_facts(pre);
      plan_.push_back(add_mechanism(MechanismKind::action, std::move(pre), new_literal(false)));
      link = mechanism(plan_.back()).eff.front();
      if (chance(options_.second_effect_share))
        mechanism(plan_.back()).eff.push_back(new_literal(false));
      if (i == law_after) link = add_law_after(*link);
    }
    world_.goal = {*link};
    if (branch) add_branch();
    if (world_.goal.size() == 1 && depth >= 2 && chance(options_.second_goal_share))
      add_second_goal(chain);
  }

  Literal add_law_after(Literal cause) {
    std::vector<Literal> pre = {cause};
    if (chance(0.3)) add_facts(pre);
    return mechanism(add_mechanism(MechanismKind::law, std::move(pre), new_literal(false)))
        .eff.front();
  }

  void add_branch() {
    std::vector<Literal> pre;
    add_facts(pre);
    const Literal made = new_literal(false);
    const std::size_t host = plan_[pick(plan_.size())];
    plan_.push_back(add_mechanism(MechanismKind::action, std::move(pre), made));
    if (chance(0.5) && mechanism(host).pre.size() < 3)
      mechanism(host).pre.push_back(made);
    else
      world_.goal.push_back(made);
  }

  /// Something the plan makes on its way, or beside its purpose, is asked for as well.
  void add_second_goal(int chain) {
    const auto& effects = mechanism(plan_[pick(static_cast<std::size_t>(chain))]).eff;
    if (!contains(world_.goal, effects.back())) world_.goal.push_back(effects.back());
  }

  /// An action that would bring about a precondition which holds already.
  void add_spare() {
    std::vector<Literal> needed;
    for (std::size_t m : plan_)
      for (Literal l : mechanism(m).pre)
        if (contains(facts_, l) && !contains(needed, l)) needed.push_back(l);
    if (needed.empty() || failed_) return;
    const Literal effect = needed[pick(needed.size())];
    std::vector<Literal> pre;
    if (chance(0.5)) {
      const Literal literal = fact();
      if (literal.variable != effect.variable) pre.push_back(literal);
    }
    add_mechanism(MechanismKind::action, std::move(pre), effect);
  }

  // --- distractors ---

  void add_distractors() {
    std::vector<Literal> shared;  // what the relevant mechanisms touch
    for (const Mechanism& m : world_.mechanisms)
      for (const auto* literals : {&m.pre, &m.eff})
        for (Literal l : *literals)
          if (!contains(shared, l)) shared.push_back(l);
    const int n = draw_distractor_count();
    const int law =
        chance(options_.law_share) ? static_cast<int>(pick(static_cast<std::size_t>(n))) : -1;
    for (int i = 0; i < n && !failed_; ++i) {
      const bool is_law = i == law;
      // A law must not fire at the start; a tempting action can be done then.
      std::vector<Literal> pre = {pick_literal(shared, !is_law && chance(options_.tempting_share))};
      if (chance(0.3)) {
        const Literal more = shared[pick(shared.size())];
        if (more.variable != pre.front().variable) pre.push_back(more);
      }
      const auto kind = is_law ? MechanismKind::law : MechanismKind::action;
      distractors_.push_back(add_mechanism(kind, std::move(pre), new_literal(false)));
      shared.push_back(mechanism(distractors_.back()).eff.front());
    }
  }

  int draw_distractor_count() {
    const auto n_relevant = static_cast<int>(world_.mechanisms.size());
    if (options_.max_mechanisms == 0) {
      const double wanted = options_.distractor_ratio * static_cast<double>(n_relevant);
      return std::max(options_.min_distractors, static_cast<int>(std::ceil(wanted)));
    }
    const int range = std::max(options_.max_mechanisms - options_.min_mechanisms, 0) + 1;
    const int total = options_.min_mechanisms + pick(static_cast<std::size_t>(range));
    // Each distractor takes one variable.
    const auto n_free = static_cast<int>(kMaxVariables - world_.variables.size());
    return std::max(std::min(total - n_relevant, n_free), options_.min_distractors);
  }

  /// One of the literals with this truth at the start; any if there is none.
  Literal pick_literal(const std::vector<Literal>& literals, bool true_at_start) {
    std::vector<Literal> fitting;
    for (Literal l : literals)
      if (holds(l, world_.initial) == true_at_start) fitting.push_back(l);
    const auto& from = fitting.empty() ? literals : fitting;
    return from[pick(from.size())];
  }

  /// An action gets the side effect of destroying what another one needs: a plan action (the order
  /// matters) or a distractor (a trap). Keeps only pairs that leave a plan of the wanted length.
  void add_mutex() {
    for (int attempt = 0; attempt < 16; ++attempt) {
      const std::size_t victim = plan_[pick(plan_.size())];
      const auto& destroyers = chance(0.5) ? plan_ : distractors_;
      const std::size_t destroyer = destroyers[pick(destroyers.size())];
      if (destroyer == victim || mechanism(destroyer).kind == MechanismKind::law) continue;
      if (mechanism(destroyer).eff.size() > 1 || mechanism(victim).pre.empty()) continue;
      const Literal needed = mechanism(victim).pre[pick(mechanism(victim).pre.size())];
      if (!contains(facts_, needed)) continue;
      const Literal destroyed{needed.variable, !needed.value};
      if (destroyed.variable == mechanism(destroyer).eff.front().variable) continue;
      mechanism(destroyer).eff.push_back(destroyed);
      const auto plan = optimal_plan(world_, world_.initial, world_.key.depth);
      if (plan && static_cast<int>(plan->size()) == world_.key.depth) return;
      mechanism(destroyer).eff.pop_back();
    }
  }

  // --- the rest ---

  void finish() {
    shuffle(world_.mechanisms, random_);
    for (Mechanism& m : world_.mechanisms) shuffle(m.pre, random_);
    shuffle(world_.goal, random_);
    world_.goal_phrasing = pick(kPhrasings);
    const auto relevant = goal_ancestors(world_);
    for (std::size_t m = 0; m < relevant.size(); ++m) mechanism(m).relevant = relevant[m];
    const auto state_fact = [&](Literal l) {
      if (holds(l, world_.initial) && !contains(world_.facts, l)) world_.facts.push_back(l);
    };
    for (const Mechanism& m : world_.mechanisms)
      for (Literal l : m.pre) state_fact(l);
    for (Literal l : world_.goal) state_fact(l);
  }

  const WorldOptions& options_;
  RandomStream random_;
  World world_;
  bool failed_ = false;
  std::vector<std::string_view> used_words_;
  std::vector<Literal> facts_;     // literals true at the start
  std::vector<std::size_t> plan_;  // mechanisms of the intended plan
  std::vector<std::size_t> distractors_;
};

bool in_split(const World& world) {
  if (world.key.split == Split::test_comp &&
      count_held_out_pairs(world, /*relevant_only=*/true) == 0)
    return false;
  return is_held_out_structure(structure_hash(world)) == (world.key.split != Split::train);
}

bool has_enough_distractors(const World& world, const WorldOptions& options) {
  const auto n_relevant = std::count_if(world.mechanisms.begin(), world.mechanisms.end(),
                                        [](const Mechanism& m) { return m.relevant; });
  const auto n_distractors = static_cast<std::ptrdiff_t>(world.mechanisms.size()) - n_relevant;
  return n_distractors >= options.min_distractors &&
         (options.max_mechanisms > 0 ||
          static_cast<double>(n_distractors) >=
              options.distractor_ratio * static_cast<double>(n_relevant));
}

bool has_wanted_plan(const World& world) {
  const auto plan = optimal_plan(world, world.initial, world.key.depth);
  return plan && static_cast<int>(plan->size()) == world.key.depth &&
         longest_causal_chain(world, *plan) >= world.key.depth - 1;
}

std::uint64_t stream_of(const WorldKey& key, std::uint64_t attempt) {
  std::uint64_t stream = splitmix64_mix(key.seed);
  for (std::uint64_t part :
       {static_cast<std::uint64_t>(key.split), static_cast<std::uint64_t>(key.domain),
        static_cast<std::uint64_t>(key.depth), key.index, attempt})
    stream = splitmix64_at(stream, part);
  return stream;
}

}  // namespace

World generate_world(const WorldKey& key, const WorldOptions& options) {
  HADAL_CHECK(key.depth >= 1 && key.depth <= kMaxDepth, "depth is checked by the caller");
  HADAL_CHECK(key.domain < domains().size(), "domain is checked by the caller");
  for (std::uint64_t attempt = 0; attempt < kMaxAttempts; ++attempt) {
    auto world = Builder(key, options, stream_of(key, attempt)).build();
    if (world && in_split(*world) && has_enough_distractors(*world, options) &&
        laws_are_confluent(*world) && settle(*world, world->initial, nullptr) == world->initial &&
        has_wanted_plan(*world))
      return std::move(*world);
  }
  HADAL_CHECK(false, "the options allow no world of this depth");
  return {};
}

bool laws_are_confluent(const World& world) {
  for (const Mechanism& law : world.mechanisms) {
    if (law.kind != MechanismKind::law) continue;
    for (const Mechanism& other : world.mechanisms) {
      for (Literal l : law.eff) {
        const Literal opposite{l.variable, !l.value};
        if (contains(other.eff, opposite))
          return false;  // an action that a law would undo at once, or a rival law
        if (other.kind == MechanismKind::law && contains(other.pre, opposite)) return false;
      }
    }
  }
  return true;
}

}  // namespace hadal::worlds
