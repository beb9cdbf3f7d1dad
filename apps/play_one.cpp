// One episode, told to a person (or as JSON), who may then ask why and what if.
#include "agent/builtin_worlds.h"
#include "agent/episode_json.h"
#include "agent/fact_reader.h"
#include "agent/told_episode.h"
#include "play.h"
#include "play_output.h"
#include "play_prompt.h"
#include "worlds/generator.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>

#include <unistd.h>

namespace hadal {
namespace {

constexpr int kDefaultDepth = 2;  // when --depth is not given

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

/// A model at work in a world.
class Scene {
 public:
  static Result<Scene> open(const PlayFlags& flags, const worlds::World& world, Engine& engine,
                            const Tokenizer& tokenizer) {
    HADAL_ASSIGN(auto actor, model_actor(engine.model(), tokenizer, {.n_drafts = flags.drafts}));
    return Scene(flags, world, engine, std::move(actor));
  }

  ToldEpisode& episode() { return *episode_; }
  const EpisodePrinter& printer() const { return printer_; }
  double seconds() const { return seconds_; }

  Result<void> play() {
    HADAL_ASSIGN(const auto change, change_of(flags_, episode_->world()));
    if (!flags_.json) printer_.world();
    const auto start = std::chrono::steady_clock::now();
    HADAL_TRY(play_with_change(flags_, change, *episode_, flags_.json ? nullptr : &printer_));
    seconds_ = seconds_since(start);
    return {};
  }

  void print_ending() const {
    printer_.ending();
    fmt::print("{} tokens read, {} written, {:.0f} tokens/s written, {} on {}.\n",
               episode_->n_read(), episode_->n_written(),
               static_cast<double>(episode_->n_written()) / seconds_, engine_.checkpoint().name(),
               engine_.backend().description());
  }

 private:
  Scene(const PlayFlags& flags, const worlds::World& world, Engine& engine,
        std::unique_ptr<Actor> actor)
      : flags_(flags),
        engine_(engine),
        episode_(std::make_unique<ToldEpisode>(world, builtin_worlds().world, std::move(actor))),
        printer_(*episode_, colour_on_stdout()) {}

  const PlayFlags& flags_;
  Engine& engine_;
  std::unique_ptr<ToldEpisode> episode_;  ///< at one place: the printer refers to it
  EpisodePrinter printer_;
  double seconds_ = 0.0;
};

PromptActions actions_of(const PlayFlags& flags, const worlds::World& world, Engine& engine,
                         const Tokenizer& tokenizer, const worlds::DomainChoice& domains) {
  return {.again = [&](const std::string& world_model) -> Result<void> {
            PlayFlags again = flags;
            again.engine.world_model = world_model;
            again.what_if.clear();
            HADAL_ASSIGN(const auto other, open_engine(again.engine));
            HADAL_ASSIGN(Scene scene, Scene::open(again, world, *other, tokenizer));
            HADAL_TRY(scene.play());
            scene.print_ending();
            return {};
          },
          .count = [&](std::size_t n_episodes) -> Result<void> {
            PlayFlags many = flags;
            many.episodes = n_episodes;
            return play_many(many, engine, tokenizer, domains);
          }};
}

}  // namespace

Result<bool> play_one(const PlayFlags& flags, Engine& engine, const Tokenizer& tokenizer,
                      const worlds::DomainChoice& domains) {
  const worlds::WorldKey key{.split = worlds::Split::test,
                             .domain = domain_of_seed(domains, flags.seed),
                             .depth = flags.depth > 0 ? flags.depth : kDefaultDepth,
                             .seed = flags.seed,
                             .index = 0};
  const worlds::World world = worlds::generate_world(key, builtin_worlds().world);
  HADAL_ASSIGN(Scene scene, Scene::open(flags, world, engine, tokenizer));
  HADAL_TRY(scene.play());
  ToldEpisode& episode = scene.episode();
  std::vector<std::size_t> asked;
  for (const std::string& name : flags.why) {
    HADAL_ASSIGN(const std::size_t event, episode.find_event(name));
    asked.push_back(event);
  }
  if (flags.json) {
    using nlohmann::ordered_json;  // a model may write bytes that are no UTF-8
    fmt::print("{}\n", episode_json(episode, scene.seconds())
                           .dump(2, ' ', false, ordered_json::error_handler_t::replace));
    return episode.solved();
  }
  scene.print_ending();
  if (flags.graph) scene.printer().graph();
  for (const std::size_t event : asked) scene.printer().why(event);
  if (wants_questions(flags)) {
    const PromptActions actions = actions_of(flags, world, engine, tokenizer, domains);
    HADAL_TRY(answer_questions(episode, scene.printer(), actions));
  }
  return episode.solved();
}

}  // namespace hadal
