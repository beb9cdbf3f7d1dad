#include "agent/episode.h"

#include "engine/generate.h"
#include "worlds/plan.h"

#include <fmt/format.h>

#include <algorithm>
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
      : narrator_(world, options.world),
        simulator_(world),
        state_(model.new_sequence()),
        tokenizer_(&tokenizer) {
    episode_.key = world.key;
    budget_ = static_cast<std::size_t>(worlds::step_budget(world.key.depth));
    add_text(worlds::text_of(narrator_.prompt()));
    add_text(worlds::text_of(narrator_.act_prefix()));
  }

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
  void add_text(const std::string& text) {
    const auto ids = tokenizer_->encode(text, SpecialTokens::parse);
    next_.insert(next_.end(), ids.begin(), ids.end());
  }

  worlds::Narrator narrator_;
  worlds::Simulator simulator_;
  SequenceState state_;
  const Tokenizer* tokenizer_;
  std::vector<std::int32_t> next_;  ///< tokens of the coming turn
  std::size_t budget_;
  Episode episode_;
};

/// Plays worlds [first, first + n) side by side, act by act.
Result<void> play_batch(Model& model, const Tokenizer& tokenizer,
                        std::span<const worlds::World> worlds, std::size_t first,
                        const StopTokens& stops, const EpisodeOptions& options,
                        std::vector<Episode>& episodes) {
  std::vector<std::unique_ptr<Player>> players;
  for (const worlds::World& world : worlds)
    players.push_back(std::make_unique<Player>(world, options, model, tokenizer));
  for (;;) {
    std::vector<GenerationRequest> requests;
    std::vector<std::size_t> active;
    for (std::size_t i = 0; i < players.size(); ++i) {
      if (players[i]->done()) continue;
      active.push_back(i);
      requests.push_back(players[i]->request(options, stops));
    }
    if (active.empty()) break;
    HADAL_ASSIGN(const auto generations, generate(model, requests));
    for (std::size_t i = 0; i < active.size(); ++i) {
      const EpisodeStep& step = players[active[i]]->absorb(generations[i], stops);
      if (options.on_step) options.on_step(first + active[i], step);
    }
  }
  for (auto& player : players) episodes.push_back(player->take());
  return {};
}

}  // namespace

Result<std::vector<Episode>> play_episodes(Model& model, const Tokenizer& tokenizer,
                                           std::span<const worlds::World> worlds,
                                           const EpisodeOptions& options) {
  HADAL_ASSIGN(const StopTokens stops, find_stop_tokens(tokenizer));
  std::vector<Episode> episodes;
  for (std::size_t first = 0; first < worlds.size(); first += options.batch) {
    const auto batch = worlds.subspan(first, std::min(options.batch, worlds.size() - first));
    HADAL_TRY(play_batch(model, tokenizer, batch, first, stops, options, episodes));
  }
  return episodes;
}

}  // namespace hadal
