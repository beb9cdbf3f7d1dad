#include "agent/episode.h"

#include "agent/stop_tokens.h"
#include "base/check.h"
#include "engine/generate.h"

#include <algorithm>
#include <memory>

namespace hadal {
namespace {

/// One episode between two acts, in tokens.
class Player {
 public:
  Player(const worlds::World& world, const EpisodeOptions& options, Model& model,
         const Tokenizer& tokenizer)
      : Player(world, start_of(world, options.kind), options, model, tokenizer) {}

  bool done() const { return telling_.done(); }
  Episode take() { return std::move(episode_); }

  GenerationRequest request(const EpisodeOptions& options, const StopTokens& stops) {
    add_text(telling_.take_told() + telling_.open_act());
    episode_.n_prompt_tokens += next_.size();
    return {.state = &state_,
            .prompt = std::move(next_),
            .history = {},
            .sampling = {},
            .max_tokens = options.max_act_tokens,
            .stop_tokens = {stops.closer, stops.eos},
            .n_drafts = options.n_drafts,
            .on_token = {}};
  }

  /// Applies what the model wrote and prepares the next turn.
  const EpisodeStep& absorb(const Generation& generation, const StopTokens& stops) {
    episode_.n_generated_tokens += generation.tokens.size();
    episode_.drafts += generation.drafts;
    episode_.steps.push_back(telling_.absorb(tokenizer_->decode(generation.tokens)));
    episode_.solved = telling_.solved();
    next_ = {generation.tokens.back()};  // chosen, but not yet in the state
    if (next_.front() != stops.closer) next_.push_back(stops.closer);
    return episode_.steps.back();
  }

 private:
  static EpisodeStart start_of(const worlds::World& world, EpisodeKind kind) {
    auto start = episode_start(world, kind);
    HADAL_CHECK(start.has_value(), "the caller has left out worlds without a start of this kind");
    return std::move(*start);
  }

  Player(const worlds::World& world, const EpisodeStart& start, const EpisodeOptions& options,
         Model& model, const Tokenizer& tokenizer)
      : telling_(world, start, options.kind, options.world),
        state_(model.new_sequence()),
        tokenizer_(&tokenizer) {
    episode_.key = world.key;
    episode_.optimal = start.optimal;
  }

  void add_text(const std::string& text) {
    const auto ids = tokenizer_->encode(text, SpecialTokens::parse);
    next_.insert(next_.end(), ids.begin(), ids.end());
  }

  Telling telling_;
  SequenceState state_;
  const Tokenizer* tokenizer_;
  std::vector<std::int32_t> next_;  ///< tokens of the coming turn
  Episode episode_;
};

/// Plays worlds in order on a number of seats; who has finished gives the seat to the next.
class Table {
 public:
  Table(Model& model, const Tokenizer& tokenizer, std::span<const worlds::World> worlds,
        const StopTokens& stops, const EpisodeOptions& options)
      : model_(model),
        tokenizer_(tokenizer),
        worlds_(worlds),
        stops_(stops),
        options_(options),
        seats_(std::min(std::max<std::size_t>(options.batch, 1), worlds.size())),
        episodes_(worlds.size()) {}

  Result<std::vector<Episode>> run() {
    std::vector<GenerationRequest> requests;
    for (Seat& seat : seats_) requests.push_back(sit_down(seat));
    GenerateOptions options;
    options.on_end = [this](std::size_t slot, Generation&& ended) {
      return absorb(seats_[slot], ended);
    };
    HADAL_TRY(generate(model_, requests, options));
    return std::move(episodes_);
  }

 private:
  struct Seat {
    std::unique_ptr<Player> player;
    std::size_t episode = 0;
  };

  GenerationRequest sit_down(Seat& seat) {
    seat.episode = next_++;
    seat.player = std::make_unique<Player>(worlds_[seat.episode], options_, model_, tokenizer_);
    return seat.player->request(options_, stops_);
  }

  std::optional<GenerationRequest> absorb(Seat& seat, const Generation& generation) {
    const EpisodeStep& step = seat.player->absorb(generation, stops_);
    if (options_.on_step) options_.on_step(seat.episode, step);
    if (!seat.player->done()) return seat.player->request(options_, stops_);
    episodes_[seat.episode] = seat.player->take();
    if (options_.on_episode) options_.on_episode(seat.episode);
    if (next_ == worlds_.size()) return std::nullopt;
    return sit_down(seat);
  }

  Model& model_;
  const Tokenizer& tokenizer_;
  std::span<const worlds::World> worlds_;
  const StopTokens& stops_;
  const EpisodeOptions& options_;
  std::vector<Seat> seats_;
  std::vector<Episode> episodes_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::vector<Episode>> play_episodes(Model& model, const Tokenizer& tokenizer,
                                           std::span<const worlds::World> worlds,
                                           const EpisodeOptions& options) {
  HADAL_ASSIGN(const StopTokens stops, find_stop_tokens(tokenizer));
  return Table(model, tokenizer, worlds, stops, options).run();
}

}  // namespace hadal
