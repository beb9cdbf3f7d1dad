#include "agent/episode.h"

#include "base/check.h"
#include "engine/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace hadal {
namespace {

constexpr std::string_view kCloser = "<|/ev|>";

/// Ids that end an act.
struct StopTokens {
  std::int32_t closer;
  std::int32_t eos;
};

Result<StopTokens> find_stop_tokens(const Tokenizer& tokenizer) {
  for (const std::string& token : worlds::structure_tokens()) {
    if (!tokenizer.find_special(token)) {
      return error(ErrorCode::unsupported,
                   "this model cannot play: its tokenizer lacks the structure token {}; only "
                   "models trained on causal worlds have it",
                   token);
    }
  }
  const auto eos = tokenizer.find_special(worlds::kEosToken);
  if (!eos)
    return error(ErrorCode::unsupported, "this model cannot play: its tokenizer has no end token");
  return StopTokens{*tokenizer.find_special(kCloser), *eos};
}

std::string call_summary(const worlds::WrittenAct& act) {
  std::string text = act.tool + "(";
  for (std::size_t i = 0; i < act.arguments.size(); ++i) {
    text +=
        fmt::format("{}{}: {}", i == 0 ? "" : ", ", act.arguments[i].name, act.arguments[i].value);
  }
  return text + ")";
}

/// One episode between two acts.
class Player {
 public:
  Player(const worlds::World& world, const EpisodeOptions& options, Model& model,
         const Tokenizer& tokenizer)
      : Player(world, start_of(world, options.kind), options, model, tokenizer) {}

  bool done() const { return episode_.solved || episode_.steps.size() >= budget_; }
  Episode take() { return std::move(episode_); }

  GenerationRequest request(const EpisodeOptions& options, const StopTokens& stops) {
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
    episode_.n_drafted += generation.n_drafted;
    episode_.n_accepted += generation.n_accepted;

    EpisodeStep step{
        .written = tokenizer_->decode(generation.tokens), .because = {}, .call = {}, .outcome = {}};
    if (const auto act = narrator_.read_act(step.written)) {
      for (int id : act->causes) step.because.push_back(narrator_.event_text(id));
      step.call = call_summary(*act);
      step.outcome = simulator_.apply(act->tool, act->arguments);
      if (step.outcome.mechanism >= 0) compare_causes(*act, step);
    } else {
      step.outcome = simulator_.apply("", {});  // a malformed call is one lost step
    }
    episode_.solved = simulator_.goal_reached();
    episode_.steps.push_back(std::move(step));

    next_ = {generation.tokens.back()};  // chosen, but not yet in the state
    if (next_.front() != stops.closer) next_.push_back(stops.closer);
    add_text(worlds::text_of(narrator_.observation(episode_.steps.back().outcome)));
    if (!done()) add_text(worlds::text_of(narrator_.act_prefix()));
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
      : narrator_(world, options.world),
        simulator_(start.simulator),
        state_(model.new_sequence()),
        tokenizer_(&tokenizer),
        budget_(static_cast<std::size_t>(start.budget())) {
    episode_.key = world.key;
    episode_.optimal = start.optimal;
    add_text(episode_prompt(narrator_, start, options.kind, world));
    add_text(worlds::text_of(narrator_.act_prefix()));
  }

  void add_text(const std::string& text) {
    const auto ids = tokenizer_->encode(text, SpecialTokens::parse);
    next_.insert(next_.end(), ids.begin(), ids.end());
  }

  void compare_causes(const worlds::WrittenAct& act, EpisodeStep& step) const {
    const auto sorted_set = [](std::vector<int> ids) {
      std::sort(ids.begin(), ids.end());
      ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
      return ids;
    };
    const auto cited = sorted_set(act.causes);
    const auto causes = sorted_set(narrator_.act_causes(step.outcome.mechanism));
    std::vector<int> right;
    std::set_intersection(cited.begin(), cited.end(), causes.begin(), causes.end(),
                          std::back_inserter(right));
    step.n_cited = cited.size();
    step.n_causes = causes.size();
    step.n_cited_right = right.size();
  }

  worlds::Narrator narrator_;
  worlds::Simulator simulator_;
  SequenceState state_;
  const Tokenizer* tokenizer_;
  std::vector<std::int32_t> next_;  ///< tokens of the coming turn
  std::size_t budget_;
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
