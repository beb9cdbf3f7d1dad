#include "worlds/story.h"

#include "base/random.h"
#include "worlds/generator.h"
#include "worlds/narrator.h"
#include "worlds/plan.h"

#include <algorithm>
#include <optional>

namespace hadal::worlds {
namespace {

State state_after(const World& world, State state, const std::vector<TeacherStep>& steps) {
  for (const TeacherStep& taken : steps) {
    if (taken.change) state = settle(world, with(state, taken.change->literal), nullptr);
    if (taken.outcome.valid) state = step(world, state, taken.mechanism);
  }
  return state;
}

std::size_t n_events_of(const std::vector<TeacherStep>& steps) {
  const auto n_changes = std::count_if(steps.begin(), steps.end(),
                                       [](const TeacherStep& s) { return s.change.has_value(); });
  return 2 * steps.size() + static_cast<std::size_t>(n_changes);
}

/// The one of a few drawn literals that is farthest away, yet within the depth of the world.
std::optional<Literal> next_goal(const World& world, State state, RandomStream& random) {
  std::vector<Literal> candidates;
  for (const Mechanism& m : world.mechanisms)
    for (Literal l : m.eff)
      if (!holds(l, state) && reachable_without_losses(world, {&l, 1}, state))
        candidates.push_back(l);
  std::optional<Literal> best;
  std::size_t longest = 0;
  constexpr int kDraws = 4;
  for (int draw = 0; draw < kDraws && !candidates.empty(); ++draw) {
    const Literal l = candidates[random.below(static_cast<std::uint32_t>(candidates.size()))];
    const auto plan = optimal_plan_to(world, {&l, 1}, state, world.key.depth);
    if (!plan || plan->size() <= longest) continue;
    longest = plan->size();
    best = l;
  }
  return best;
}

void mark_ancestors(World& world, const World& of) {
  const auto ancestors = goal_ancestors(of);
  for (std::size_t m = 0; m < ancestors.size(); ++m)
    world.mechanisms[m].relevant = world.mechanisms[m].relevant || ancestors[m];
}

}  // namespace

bool has_changes(const Story& story) {
  for (const Chapter& chapter : story.chapters)
    for (const TeacherStep& taken : chapter.steps)
      if (taken.change) return true;
  return false;
}

Story make_story(const WorldKey& key, const WorldOptions& options) {
  Story story{.world = generate_world(key, options), .chapters = {}};
  World& world = story.world;
  story.chapters.push_back({world.goal, teacher_episode(world, options)});
  if (options.max_episodes <= 1) return story;
  RandomStream random(splitmix64_at(splitmix64_at(fnv1a64("story"), key.seed),
                                    key.index * 16 + static_cast<std::uint64_t>(key.depth)));
  const std::uint64_t n_chapters =
      1 + random.below(static_cast<std::uint32_t>(options.max_episodes));
  const auto n_question_events = static_cast<std::size_t>(2 * options.max_questions);
  std::size_t n_events = world.facts.size() + world.mechanisms.size() + 1 +
                         n_events_of(story.chapters.front().steps) + n_question_events;
  World now = world;
  while (story.chapters.size() < n_chapters) {
    now.initial = state_after(now, now.initial, story.chapters.back().steps);
    const auto goal = next_goal(now, now.initial, random);
    if (!goal) break;
    now.goal = {*goal};
    auto steps = teacher_episode(now, options, story.chapters.size());
    n_events += 1 + n_events_of(steps);
    if (n_events > static_cast<std::size_t>(kEventIds)) break;
    mark_ancestors(world, now);
    story.chapters.push_back({now.goal, std::move(steps)});
  }
  return story;
}

}  // namespace hadal::worlds
