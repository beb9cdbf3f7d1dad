// One episode, told to a person (or as JSON).
#include "agent/episode.h"
#include "play.h"
#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/plan.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>

namespace hadal {
namespace {

constexpr int kShownDepth = 2;  // when --depth is not given

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print_world(const worlds::World& world) {
  fmt::print("A {} world, found nowhere in the training data (seed {}).\n\nTrue at the start:\n",
             world.domain->name, world.key.seed);
  for (const worlds::Literal& fact : world.facts)
    fmt::print("  - {}\n", worlds::sentence(world, fact));
  fmt::print("What can be done, and what follows by itself:\n");
  for (const worlds::Mechanism& mechanism : world.mechanisms) {
    fmt::print("  - {}\n", worlds::mechanism_text(world, mechanism));
  }
  fmt::print("Goal: {}\n\n", worlds::goal_text(world));
}

void print_step(std::size_t number, const EpisodeStep& step) {
  fmt::print("{}. {}\n", number, step.call.empty() ? "(no complete tool call)" : step.call);
  for (const std::string& cause : step.because) fmt::print("     because: {}\n", cause);
  fmt::print("     -> {}\n", step.outcome.text);
  std::fflush(stdout);
}

nlohmann::ordered_json episode_json(const Episode& episode, const worlds::World& world,
                                    double seconds) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const EpisodeStep& step : episode.steps) {
    steps.push_back({{"call", step.call},
                     {"because", step.because},
                     {"valid", step.outcome.valid},
                     {"observation", step.outcome.text},
                     {"written", step.written}});
  }
  nlohmann::ordered_json facts = nlohmann::ordered_json::array();
  for (const worlds::Literal& fact : world.facts) facts.push_back(worlds::sentence(world, fact));
  nlohmann::ordered_json mechanisms = nlohmann::ordered_json::array();
  for (const worlds::Mechanism& m : world.mechanisms)
    mechanisms.push_back(worlds::mechanism_text(world, m));
  return {{"domain", world.domain->name},
          {"depth", world.key.depth},
          {"seed", world.key.seed},
          {"facts", facts},
          {"mechanisms", mechanisms},
          {"goal", worlds::goal_text(world)},
          {"steps", steps},
          {"solved", episode.solved},
          {"shortest_plan", world.key.depth},
          {"generated_tokens", episode.n_generated_tokens},
          {"tok_s", static_cast<double>(episode.n_generated_tokens) / seconds}};
}

}  // namespace

Result<bool> play_one(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                      const worlds::DomainChoice& domains) {
  const worlds::WorldKey key{.split = worlds::Split::test,
                             .domain = domains.indices[flags.seed % domains.indices.size()],
                             .depth = flags.depth > 0 ? flags.depth : kShownDepth,
                             .seed = flags.seed,
                             .index = 0};
  EpisodeOptions options;
  options.n_drafts = flags.drafts;
  const worlds::World world = worlds::generate_world(key, options.world);
  std::size_t number = 0;
  if (!flags.json) {
    print_world(world);
    options.on_step = [&](std::size_t, const EpisodeStep& step) { print_step(++number, step); };
  }
  const auto start = std::chrono::steady_clock::now();
  HADAL_ASSIGN(const auto episodes, play_episodes(engine.model(), tokenizer, {&world, 1}, options));
  const double seconds = seconds_since(start);
  const Episode& episode = episodes.front();
  if (flags.json) {
    fmt::print("{}\n", episode_json(episode, world, seconds).dump(2));
    return episode.solved;
  }
  fmt::print("\n{} in {} steps (shortest plan: {}, allowed: {}).\n",
             episode.solved ? "Solved" : "Not solved", episode.steps.size(), key.depth,
             worlds::step_budget(key.depth));
  fmt::print("{} tokens read, {} written, {:.0f} tokens/s written, {} on {}.\n",
             episode.n_prompt_tokens, episode.n_generated_tokens,
             static_cast<double>(episode.n_generated_tokens) / seconds, engine.checkpoint().name(),
             engine.backend().description());
  return episode.solved;
}

}  // namespace hadal
