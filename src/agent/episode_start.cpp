#include "agent/episode_start.h"

#include "base/check.h"
#include "base/random.h"
#include "worlds/change.h"
#include "worlds/plan.h"

namespace hadal {
namespace {

using worlds::Simulator;
using worlds::World;

std::optional<EpisodeStart> perturbed_start(const World& world) {
  const auto plan = worlds::optimal_plan(world, world.initial);
  HADAL_CHECK(plan.has_value(), "worlds can be solved");
  EpisodeStart start{
      .simulator = Simulator(world),
      .played = {plan->begin(), plan->begin() + static_cast<std::ptrdiff_t>(plan->size() / 2)},
      .change = {},
      .optimal = 0};
  for (const int action : start.played) start.simulator.apply(action);
  const auto changes = worlds::fitting_changes(world, start.simulator);
  if (changes.empty()) return std::nullopt;
  RandomStream random(
      splitmix64_at(splitmix64_at(fnv1a64("change"), world.key.seed),
                    world.key.index * 16 + static_cast<std::uint64_t>(world.key.depth)));
  start.change = changes[random.below(static_cast<std::uint32_t>(changes.size()))];
  start.simulator.intervene(*start.change);
  const auto rest = worlds::optimal_plan(world, start.simulator.state());
  HADAL_CHECK(rest.has_value() && !rest->empty(), "a fitting change leaves the goal within reach");
  start.optimal = static_cast<int>(rest->size());
  return start;
}

}  // namespace

std::string_view name_of(EpisodeKind kind) {
  switch (kind) {
    case EpisodeKind::plain:
      return "plain";
    case EpisodeKind::perturbed:
      return "perturbed";
    case EpisodeKind::hidden_mechanisms:
      return "hidden";
  }
  return "";
}

int EpisodeStart::budget() const {
  return worlds::step_budget(optimal);
}

std::optional<EpisodeStart> episode_start(const World& world, EpisodeKind kind) {
  if (kind == EpisodeKind::perturbed) return perturbed_start(world);
  return EpisodeStart{
      .simulator = Simulator(world), .played = {}, .change = {}, .optimal = world.key.depth};
}

std::string episode_prompt(worlds::Narrator& narrator, const EpisodeStart& start, EpisodeKind kind,
                           const World& world) {
  std::string text = worlds::text_of(narrator.prompt());
  if (kind == EpisodeKind::hidden_mechanisms) text = without_mechanisms(text);
  Simulator simulator(world);
  for (const int action : start.played) {
    text += worlds::text_of(narrator.act_prefix());
    text += worlds::text_of(narrator.act_body(action, false));
    text += worlds::text_of(narrator.observation(simulator.apply(action)));
  }
  if (start.change)
    text += worlds::text_of(narrator.intervention(simulator.intervene(*start.change)));
  return text;
}

std::string without_mechanisms(std::string_view prompt) {
  constexpr std::string_view kOpener = "<|mech|>", kCloser = "<|/ev|>";
  std::string text;
  for (;;) {
    const std::size_t begin = prompt.find(kOpener);
    text += prompt.substr(0, begin);
    if (begin == std::string_view::npos) return text;
    const std::size_t end = prompt.find(kCloser, begin);
    if (end == std::string_view::npos) return text;
    prompt.remove_prefix(end + kCloser.size());
  }
}

}  // namespace hadal
