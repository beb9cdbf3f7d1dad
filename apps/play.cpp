// hadal play: episodes of a causal world with the built-in model.
#include "play.h"

#include "chat/local_model.h"
#include "verbs.h"
#include "worlds/domain.h"
#include "worlds/generator.h"

#include <fmt/format.h>

#include <memory>

namespace hadal {
namespace {

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

Result<DepthRange> depths_of(const PlayFlags& flags) {
  if (!flags.depth_text.empty()) return parse_depths(flags.depth_text);
  if (flags.depth > 0) return DepthRange{flags.depth, flags.depth};
  return DepthRange{1, kTrainedDepth};
}

Result<bool> play(PlayFlags flags) {
  HADAL_ASSIGN(flags.depths, depths_of(flags));
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
  verb->add_option("--depths", flags->depth_text,
                   fmt::format("--episodes: range of depths, as 1-{} (default: 1-{}, what the "
                               "built-in model was trained on)",
                               worlds::kMaxDepth, kTrainedDepth));
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
