#include "eval/planning.h"

#include "worlds/generator.h"

namespace hadal::eval {

Result<std::vector<EpisodeRow>> play_worlds(Model& model, const Tokenizer& tokenizer,
                                            std::span<const worlds::WorldKey> keys,
                                            const PlanningOptions& options) {
  std::vector<worlds::World> worlds;
  std::vector<BaselineResults> baselines;
  for (const worlds::WorldKey& key : keys) {
    worlds::World world = worlds::generate_world(key, options.world);
    const auto start = episode_start(world, options.kind);
    if (!start) continue;
    baselines.push_back(play_baselines(world, options.world, *start));
    worlds.push_back(std::move(world));
  }
  EpisodeOptions play{.world = options.world,
                      .kind = options.kind,
                      .n_drafts = options.n_drafts,
                      .batch = options.batch,
                      .on_step = {},
                      .on_episode = {}};
  std::size_t n_ended = 0;
  play.on_episode = [&](std::size_t) { ++n_ended; };
  play.on_step = [&](std::size_t, const EpisodeStep&) {
    if (options.on_progress) options.on_progress(n_ended, worlds.size());
  };
  std::vector<EpisodeRow> rows;
  if (worlds.empty()) return rows;
  HADAL_ASSIGN(const auto episodes, play_episodes(model, tokenizer, worlds, play));
  for (std::size_t i = 0; i < episodes.size(); ++i)
    rows.push_back(row_of(episodes[i], options.kind, baselines[i]));
  return rows;
}

}  // namespace hadal::eval
