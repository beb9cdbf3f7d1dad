// Many episodes, counted.
#include "agent/builtin_worlds.h"
#include "eval/planning.h"
#include "planning_output.h"
#include "play.h"

#include <fmt/format.h>

namespace hadal {

Result<void> play_many(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                       const worlds::DomainChoice& choice) {
  EvalProgress progress;
  std::vector<eval::EpisodeRow> rows;
  for (int depth = flags.depths.first; depth <= flags.depths.last; ++depth) {
    const auto keys = episode_keys(flags.episodes, depth, flags.seed, choice);
    eval::PlanningOptions options{.world = builtin_worlds().world, .n_drafts = flags.drafts};
    options.on_progress = [&](std::size_t n_ended, std::size_t n_all) {
      progress.show(fmt::format("depth {}", depth), n_ended, n_all);
    };
    HADAL_ASSIGN(const auto played, eval::play_worlds(engine.model(), tokenizer, keys, options));
    rows.insert(rows.end(), played.begin(), played.end());
  }
  progress.clear();
  const double seconds = progress.seconds();
  const std::string mode(world_model_mode(engine.model()));
  const Summaries depths = by_depth(rows), domains = by_domain(rows);
  if (flags.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"mode", mode},
                                              {"by_depth", success_json(depths, "depth")},
                                              {"by_domain", success_json(domains, "domain")},
                                              {"seconds", seconds}}
                           .dump(2));
    return {};
  }
  print_success("depth", depths);
  if (domains.size() > 1) {
    fmt::print("\n");
    print_success("domain", domains);
  }
  std::size_t n_tokens = 0;
  for (const eval::EpisodeRow& row : rows) n_tokens += row.prompt_tokens + row.generated_tokens;
  fmt::print(
      "{} tokens in {:.1f} s ({:.0f} tokens/s, prompts included), {} on {}, world model {}.\n",
      n_tokens, seconds, static_cast<double>(n_tokens) / seconds, engine.checkpoint().name(),
      engine.backend().description(), mode);
  return {};
}

}  // namespace hadal
