// One episode, told to a person (or as JSON), who may then ask why and what if.
#include "agent/builtin_worlds.h"
#include "agent/fact_reader.h"
#include "agent/told_episode.h"
#include "play.h"
#include "play_output.h"
#include "play_prompt.h"
#include "worlds/generator.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include <unistd.h>

namespace hadal {
namespace {

constexpr int kShownDepth = 2;  // when --depth is not given

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool wants_questions(const PlayFlags& flags) {
  if (flags.interactive) return true;
  const bool has_asked = flags.json || flags.graph || !flags.why.empty() || !flags.what_if.empty();
  return !has_asked && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
}

/// The fact that --what-if names.
Result<std::optional<worlds::Literal>> change_of(const PlayFlags& flags,
                                                 const worlds::World& world) {
  if (flags.what_if.empty()) return std::optional<worlds::Literal>();
  HADAL_ASSIGN(const worlds::Literal fact, read_fact(world, flags.what_if));
  return std::optional(fact);
}

/// The whole episode, with `change` after its step flags.after. @param printer  may be null
Result<void> play_with_change(const PlayFlags& flags, std::optional<worlds::Literal> change,
                              ToldEpisode& episode, const EpisodePrinter* printer) {
  if (!change) return play_on(episode, printer);
  HADAL_TRY(play_on(episode, printer, flags.after));
  HADAL_TRY(episode.what_if(*change, flags.after));
  if (printer != nullptr) printer->change();
  return play_on(episode, printer);
}

}  // namespace

Result<bool> play_one(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                      const worlds::DomainChoice& domains) {
  const worlds::WorldKey key{.split = worlds::Split::test,
                             .domain = domain_of_seed(domains, flags.seed),
                             .depth = flags.depth > 0 ? flags.depth : kShownDepth,
                             .seed = flags.seed,
                             .index = 0};
  const worlds::WorldOptions& options = builtin_worlds().world;
  const worlds::World world = worlds::generate_world(key, options);
  HADAL_ASSIGN(const auto change, change_of(flags, world));
  HADAL_ASSIGN(auto actor, model_actor(engine.model(), tokenizer, {.n_drafts = flags.drafts}));
  ToldEpisode episode(world, options, std::move(actor));
  std::vector<std::size_t> asked;
  const EpisodePrinter printer(episode, colour_on_stdout());
  if (!flags.json) printer.world();
  const auto start = std::chrono::steady_clock::now();
  HADAL_TRY(play_with_change(flags, change, episode, flags.json ? nullptr : &printer));
  const double seconds = seconds_since(start);
  for (const std::string& name : flags.why) {
    HADAL_ASSIGN(const std::size_t event, episode.find_event(name));
    asked.push_back(event);
  }
  if (flags.json) {
    using nlohmann::ordered_json;  // a model may write bytes that are no UTF-8
    fmt::print(
        "{}\n",
        episode_json(episode, seconds).dump(2, ' ', false, ordered_json::error_handler_t::replace));
    return episode.solved();
  }
  printer.ending();
  fmt::print("{} tokens read, {} written, {:.0f} tokens/s written, {} on {}.\n", episode.n_read(),
             episode.n_written(), static_cast<double>(episode.n_written()) / seconds,
             engine.checkpoint().name(), engine.backend().description());
  if (flags.graph) printer.graph();
  for (const std::size_t event : asked) printer.why(event);
  if (wants_questions(flags)) HADAL_TRY(answer_questions(episode, printer));
  return episode.solved();
}

}  // namespace hadal
