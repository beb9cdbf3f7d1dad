// hadal play: episodes of a causal world with the built-in model.

#include "agent/success_table.h"
#include "chat/local_model.h"
#include "common.h"
#include "verbs.h"
#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/plan.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <optional>

#include <unistd.h>

namespace hadal {
namespace {

struct PlayFlags {
  EngineFlags engine;
  std::string domain;
  std::uint64_t seed = 0;
  int depth = 0;
  std::size_t episodes = 0;
  std::size_t drafts = 0;
  bool json = false;
};

constexpr int kTrainedDepth = 3;      // of the first built-in model: household only
constexpr int kShownDepth = 2;        // of the single episode, when --depth is not given
constexpr const char* kMode = "off";  // the world-model module does not exist yet

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<std::optional<std::size_t>> find_domain(const std::string& name) {
  if (name.empty()) return std::optional<std::size_t>{};
  std::string known;
  for (std::size_t i = 0; i < worlds::domains().size(); ++i) {
    if (worlds::domains()[i].name == name) return std::optional<std::size_t>{i};
    known += fmt::format(" {}", worlds::domains()[i].name);
  }
  return error(ErrorCode::invalid_argument, "--domain {}: no such domain; there are:{}", name,
               known);
}

// ---- One episode, told to a person ----

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

Result<bool> play_one(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                      std::optional<std::size_t> domain) {
  const worlds::WorldKey key{.split = worlds::Split::test,
                             .domain = domain.value_or(flags.seed % worlds::domains().size()),
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

// ---- Many episodes, counted ----

nlohmann::ordered_json row_json(const SuccessRow& row) {
  const Proportion success = proportion(row.n_solved, row.n_episodes);
  const Proportion random = proportion(row.n_random_solved, row.n_episodes);
  return {{"depth", row.depth},
          {"episodes", row.n_episodes},
          {"success", success.share},
          {"ci95", {success.low, success.high}},
          {"random", random.share},
          {"bfs", 1.0},
          {"optimal", proportion(row.n_optimal, row.n_episodes).share},
          {"valid_actions", proportion(row.n_valid_steps, row.n_steps).share}};
}

void print_table(const std::vector<SuccessRow>& rows) {
  fmt::print("{:>5}  {:>8}  {:>8}  {:^15}  {:>8}  {:>13}  {:>13}  {:>6}\n", "depth", "episodes",
             "success", "95 % interval", "shortest", "valid actions", "random policy", "search");
  for (const SuccessRow& row : rows) {
    const Proportion success = proportion(row.n_solved, row.n_episodes);
    fmt::print(
        "{:>5}  {:>8}  {:>6.1f} %  {:>5.1f} - {:>5.1f} %  {:>6.1f} %  {:>11.1f} %  {:>11.1f} %  "
        "{:>4} %\n",
        row.depth, row.n_episodes, 100 * success.share, 100 * success.low, 100 * success.high,
        100 * proportion(row.n_optimal, row.n_episodes).share,
        100 * proportion(row.n_valid_steps, row.n_steps).share,
        100 * proportion(row.n_random_solved, row.n_episodes).share, 100);
  }
}

Result<void> play_many(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                       std::optional<std::size_t> domain) {
  EpisodeOptions options;
  options.n_drafts = flags.drafts;
  std::vector<SuccessRow> by_depth;
  std::vector<SuccessRow> by_domain(worlds::domains().size());
  const auto start = std::chrono::steady_clock::now();
  std::size_t n_tokens = 0;
  const int first_depth = flags.depth > 0 ? flags.depth : 1;
  const int last_depth = flags.depth > 0 ? flags.depth : kTrainedDepth;
  for (int depth = first_depth; depth <= last_depth; ++depth) {
    std::vector<worlds::World> worlds;
    for (const auto& key : episode_keys(flags.episodes, depth, flags.seed, domain)) {
      worlds.push_back(worlds::generate_world(key, options.world));
    }
    std::size_t n_steps = 0;
    options.on_step = [&](std::size_t episode, const EpisodeStep&) {
      if (++n_steps % 64 == 0 && ::isatty(STDERR_FILENO) != 0) {
        fmt::print(stderr, "\rdepth {}: about episode {} of {}, {:.0f} s ", depth, episode + 1,
                   worlds.size(), seconds_since(start));
      }
    };
    HADAL_ASSIGN(const auto episodes, play_episodes(engine.model(), tokenizer, worlds, options));
    SuccessRow row{.domain = 0, .depth = depth};
    for (std::size_t i = 0; i < episodes.size(); ++i) {
      count(row, episodes[i], worlds[i]);
      by_domain[worlds[i].key.domain].domain = worlds[i].key.domain;
      count(by_domain[worlds[i].key.domain], episodes[i], worlds[i]);
      n_tokens += episodes[i].n_prompt_tokens + episodes[i].n_generated_tokens;
    }
    by_depth.push_back(row);
  }
  if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
  const double seconds = seconds_since(start);
  if (!flags.json) {
    print_table(by_depth);
    fmt::print(
        "{} tokens in {:.1f} s ({:.0f} tokens/s, prompts included), {} on {}, world model {}.\n",
        n_tokens, seconds, static_cast<double>(n_tokens) / seconds, engine.checkpoint().name(),
        engine.backend().description(), kMode);
    return {};
  }
  nlohmann::ordered_json depths = nlohmann::ordered_json::array();
  for (const SuccessRow& row : by_depth) depths.push_back(row_json(row));
  nlohmann::ordered_json domains = nlohmann::ordered_json::array();
  for (const SuccessRow& row : by_domain) {
    if (row.n_episodes == 0) continue;
    nlohmann::ordered_json one = row_json(row);
    one.erase("depth");
    one["domain"] = worlds::domains()[row.domain].name;
    domains.push_back(one);
  }
  fmt::print(
      "{}\n",
      nlohmann::ordered_json{
          {"mode", kMode}, {"by_depth", depths}, {"by_domain", domains}, {"seconds", seconds}}
          .dump(2));
  return {};
}

Result<bool> play(const PlayFlags& flags) {
  HADAL_ASSIGN(const auto domain, find_domain(flags.domain));
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  if (flags.episodes == 0) return play_one(flags, *engine, tokenizer, domain);
  HADAL_TRY(play_many(flags, *engine, tokenizer, domain));
  return true;
}

}  // namespace

void add_play(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<PlayFlags>();
  CLI::App* verb = app.add_subcommand("play",
                                      "One episode of a causal world: the world in words, each "
                                      "action with the causes that the model named, the outcome");
  add_engine_flags(*verb, flags->engine);
  verb->add_option("--domain", flags->domain, "household (default: the domains in turn)");
  verb->add_option("--seed", flags->seed, "which world")->capture_default_str();
  verb->add_option("--depth", flags->depth,
                   fmt::format("length of the shortest plan, 1-{} (trained: 1-{})",
                               worlds::kMaxDepth, kTrainedDepth))
      ->check(CLI::Range(1, worlds::kMaxDepth));
  verb->add_option(
      "--episodes", flags->episodes,
      "play N episodes per depth and print success with 95 % intervals beside the baselines");
  verb->add_option("--draft", flags->drafts,
                   "tokens drafted per step by the MTP block (changes the speed, never the result)")
      ->check(CLI::Range(0, 8));
  verb->add_flag("--json", flags->json, "for programs");
  verb->callback([flags, &exit_code] {
    const auto solved = play(*flags);
    if (!solved) exit_code = report("play", solved.error());
  });
}

}  // namespace hadal
