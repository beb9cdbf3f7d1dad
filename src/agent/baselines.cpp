#include "agent/baselines.h"

#include "base/random.h"
#include "worlds/phrase.h"
#include "worlds/plan.h"

#include <algorithm>
#include <charconv>

namespace hadal {
namespace {

using worlds::Argument;
using worlds::Literal;
using worlds::Mechanism;
using worlds::Simulator;
using worlds::World;

/// The mechanisms in the order of the prompt, by the ids in their headers.
std::vector<int> told_order(const World& world, const worlds::WorldOptions& options) {
  worlds::Narrator narrator(world, options);
  const std::string prompt = worlds::text_of(narrator.prompt());
  constexpr std::string_view kOpener = "<|mech|><|e";
  std::vector<int> order;
  for (std::size_t at = prompt.find(kOpener); at != std::string::npos;
       at = prompt.find(kOpener, at + 1)) {
    int id = -1;
    const char* begin = prompt.data() + at + kOpener.size();
    std::from_chars(begin, prompt.data() + prompt.size(), id);
    if (const int mechanism = narrator.mechanism_of(id); mechanism >= 0) order.push_back(mechanism);
  }
  return order;
}

bool greedy_succeeds(Simulator simulator, int budget, const std::vector<int>& order) {
  const World& world = simulator.world();
  for (; budget > 0 && !simulator.goal_reached(); --budget) {
    const auto next = std::find_if(order.begin(), order.end(), [&](int m) {
      const Mechanism& mechanism = world.mechanisms[static_cast<std::size_t>(m)];
      return mechanism.kind == worlds::MechanismKind::action &&
             worlds::all_hold(mechanism.pre, simulator.state()) &&
             !worlds::all_hold(mechanism.eff, simulator.state());
    });
    if (next == order.end()) return false;
    simulator.apply(*next);
  }
  return simulator.goal_reached();
}

/// Calls without looking at mechanisms.
class BlindPlayer {
 public:
  explicit BlindPlayer(const Simulator& simulator)
      : simulator_(simulator),
        world_(simulator.world()),
        tools_(worlds::tool_names(world_)),
        random_(
            splitmix64_at(splitmix64_at(fnv1a64("blind player"), world_.key.seed),
                          world_.key.index * 16 + static_cast<std::uint64_t>(world_.key.depth))) {
    for (const auto* literals : {&world_.facts, &world_.goal}) {
      for (const Literal l : *literals) {
        const std::string& item = item_of(l);
        if (std::find(items_.begin(), items_.end(), item) == items_.end()) items_.push_back(item);
      }
    }
  }

  bool random_calls(int budget) {
    for (; budget > 0 && !simulator_.goal_reached(); --budget) random_call();
    return simulator_.goal_reached();
  }

  bool refusals(int budget) {
    std::vector<Literal> wanted;  // the last one first
    for (; budget > 0 && !simulator_.goal_reached(); --budget) {
      while (!wanted.empty() && worlds::holds(wanted.back(), simulator_.state())) wanted.pop_back();
      if (wanted.empty()) wanted.push_back(unmet(world_.goal));
      const Literal target = wanted.back();
      const auto outcome = call(tool_for(target), item_of(target));
      if (outcome.valid) continue;
      if (outcome.mechanism >= 0) {
        const Literal reason =
            unmet(world_.mechanisms[static_cast<std::size_t>(outcome.mechanism)].pre);
        const bool in_a_circle = std::find(wanted.begin(), wanted.end(), reason) != wanted.end();
        wanted.push_back(reason);
        if (!in_a_circle) continue;
      }
      wanted.clear();
      if (budget > 1) {
        random_call();
        --budget;
      }
    }
    return simulator_.goal_reached();
  }

 private:
  /// The call that would make `l` true, named as mechanisms are.
  static Mechanism maker_of(Literal l) {
    return {.kind = worlds::MechanismKind::action, .pre = {}, .eff = {l}};
  }
  const std::string& item_of(Literal l) const { return worlds::item_name(world_, maker_of(l)); }
  std::string_view tool_for(Literal l) const { return worlds::tool_name(world_, maker_of(l)); }
  Literal unmet(const std::vector<Literal>& literals) const {
    return *std::find_if(literals.begin(), literals.end(),
                         [&](Literal l) { return !worlds::holds(l, simulator_.state()); });
  }
  worlds::Outcome call(std::string_view tool, const std::string& item) {
    const Argument argument{.name = std::string(world_.domain->parameter), .value = item};
    return simulator_.apply(tool, {&argument, 1});
  }
  void random_call() {
    const auto tool = tools_[random_.below(static_cast<std::uint32_t>(tools_.size()))];
    call(tool, items_[random_.below(static_cast<std::uint32_t>(items_.size()))]);
  }

  Simulator simulator_;
  const World& world_;
  std::vector<std::string_view> tools_;
  std::vector<std::string> items_;
  RandomStream random_;
};

}  // namespace

BaselineResults play_baselines(const World& world, const worlds::WorldOptions& options,
                               const EpisodeStart& start) {
  const auto plan = worlds::optimal_plan(world, start.simulator.state());
  return {.random = worlds::random_policy_succeeds(start.simulator, start.budget(), 0),
          .greedy = greedy_succeeds(start.simulator, start.budget(), told_order(world, options)),
          .search = plan && static_cast<int>(plan->size()) <= start.budget(),
          .random_calls = BlindPlayer(start.simulator).random_calls(start.budget()),
          .refusals = BlindPlayer(start.simulator).refusals(start.budget())};
}

}  // namespace hadal
