// hadal play: episodes of a causal world with the built-in model.
#include "play.h"

#include "agent/builtin_worlds.h"
#include "chat/local_model.h"
#include "verbs.h"
#include "worlds/generator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <vector>

namespace hadal {
namespace {

std::vector<std::string_view> domain_names() {
  std::vector<std::string_view> names;
  for (const worlds::Domain& domain : worlds::domains()) names.push_back(domain.name);
  return names;
}

Result<DepthRange> depths_of(const PlayFlags& flags) {
  if (!flags.depth_text.empty()) return parse_depths(flags.depth_text);
  if (flags.depth > 0) return DepthRange{flags.depth, flags.depth};
  return DepthRange{1, worlds::kMaxDepth};
}

Result<bool> play(PlayFlags flags) {
  HADAL_ASSIGN(flags.depths, depths_of(flags));
  HADAL_ASSIGN(const auto domains, worlds::parse_domain_choice(flags.domain));
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  if (flags.episodes == 0) return play_one(flags, *engine, tokenizer, domains);
  HADAL_TRY(play_many(flags, *engine, tokenizer, domains));
  return true;
}

/// What one can ask about one episode.
void add_questions(CLI::App& verb, PlayFlags& flags, CLI::Option& episodes) {
  verb.add_option("--why", flags.why,
                  "then print the causes of step N, or of an event (o1, g1), back to what was told "
                  "at the start; may be repeated")
      ->excludes(&episodes);
  CLI::Option* what_if =
      verb.add_option("--what-if", flags.what_if,
                      "change a fact from outside, as \"the old jar is open\", after the first "
                      "step; the model goes on from there")
          ->excludes(&episodes);
  verb.add_option("--after", flags.after, "--what-if: after step N; 0: before the first")
      ->needs(what_if)
      ->capture_default_str();
  verb.add_flag("--graph", flags.graph, "then print all events with their causes")
      ->excludes(&episodes);
  verb.add_flag("-i,--interactive", flags.interactive,
                "then answer questions from stdin, one a line (help lists them); so it is on a "
                "terminal, unless --json, --why, --what-if or --graph is given")
      ->excludes(&episodes);
}

}  // namespace

void add_play(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<PlayFlags>();
  CLI::App* verb =
      app.add_subcommand("play",
                         "One episode of a causal world: the world in words, each "
                         "action with the causes that the model named, the outcome. The "
                         "world model is an independent implementation of a reported "
                         "idea, not a part of the released V4");
  add_engine_flags(*verb, flags->engine);
  verb->add_option(
          "--domain", flags->domain,
          fmt::format("of {}, or several, as a,b, or all", fmt::join(domain_names(), ", ")))
      ->capture_default_str();
  verb->add_option("--seed", flags->seed, "which world")->capture_default_str();
  verb->add_option("--depth", flags->depth,
                   fmt::format("length of the shortest plan, 1-{} (trained: 1-{})",
                               worlds::kMaxDepth, builtin_worlds().trained_depth))
      ->check(CLI::Range(1, worlds::kMaxDepth));
  verb->add_option("--depths", flags->depth_text,
                   fmt::format("--episodes: range of depths (default: 1-{}; trained: 1-{})",
                               worlds::kMaxDepth, builtin_worlds().trained_depth));
  CLI::Option* episodes = verb->add_option(
      "--episodes", flags->episodes,
      "play N episodes per depth and print success with 95 % intervals beside the baselines");
  verb->add_option("--draft", flags->drafts,
                   "tokens drafted per step by the MTP block (changes the speed, never the result)")
      ->check(CLI::Range(0, 8));
  verb->add_flag("--json", flags->json, "for programs");
  add_questions(*verb, *flags, *episodes);
  verb->callback([flags, &exit_code] {
    const auto solved = play(*flags);
    if (!solved) exit_code = report("play", solved.error());
  });
}

}  // namespace hadal
