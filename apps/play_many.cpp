// Many episodes, counted.
#include "agent/success_table.h"
#include "play.h"
#include "worlds/generator.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>

#include <unistd.h>

namespace hadal {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

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

}  // namespace

Result<void> play_many(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                       const worlds::DomainChoice& domains) {
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
    for (const auto& key : episode_keys(flags.episodes, depth, flags.seed, domains)) {
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
        engine.backend().description(), world_model_mode(engine.model()));
    return {};
  }
  nlohmann::ordered_json depths = nlohmann::ordered_json::array();
  for (const SuccessRow& row : by_depth) depths.push_back(row_json(row));
  nlohmann::ordered_json domain_rows = nlohmann::ordered_json::array();
  for (const SuccessRow& row : by_domain) {
    if (row.n_episodes == 0) continue;
    nlohmann::ordered_json one = row_json(row);
    one.erase("depth");
    one["domain"] = worlds::domains()[row.domain].name;
    domain_rows.push_back(one);
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"mode", world_model_mode(engine.model())},
                                            {"by_depth", depths},
                                            {"by_domain", domain_rows},
                                            {"seconds", seconds}}
                         .dump(2));
  return {};
}

}  // namespace hadal
