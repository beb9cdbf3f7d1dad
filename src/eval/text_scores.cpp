#include "eval/text_scores.h"

#include "agent/stop_tokens.h"
#include "worlds/generator.h"
#include "worlds/narrator.h"
#include "worlds/plan.h"
#include "worlds/teacher.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace hadal::eval {
namespace {

/// A place where the teacher chose an action.
struct Decision {
  std::size_t position;               ///< of the token that names the mechanism
  std::vector<std::int32_t> optimal;  ///< tokens of the mechanisms that are best here
  double guess;
};

struct Narrative {
  std::vector<std::int32_t> ids;
  std::vector<bool> is_body;  ///< [ids]
  std::vector<Decision> decisions;
};

/// Writes narratives as token ids.
class Scribe {
 public:
  static Result<Scribe> create(const Tokenizer& tokenizer) {
    HADAL_TRY(find_stop_tokens(tokenizer));
    return Scribe(tokenizer);
  }

  Narrative write(const worlds::World& world, const worlds::WorldOptions& options) const {
    Narrative out;
    worlds::Narrator narrator(world, options);
    worlds::Simulator simulator(world);
    add(out, narrator.prompt());
    for (const worlds::TeacherStep& step : worlds::teacher_episode(world, options)) {
      if (step.change) add(out, narrator.intervention(simulator.intervene(step.change->literal)));
      add(out, narrator.act_prefix());
      const auto best = worlds::optimal_actions(world, simulator.state());
      const auto n_valid = simulator.valid_actions().size();
      Decision decision{
          .position = out.ids.size(),
          .optimal = {},
          .guess =
              n_valid == 0 ? 0.0 : static_cast<double>(best.size()) / static_cast<double>(n_valid)};
      for (const int action : best)
        decision.optimal.push_back(id_token(narrator.act_causes(action).front()));
      out.decisions.push_back(std::move(decision));
      add(out, narrator.act_body(step.mechanism, step.is_mistake));
      add(out, narrator.observation(simulator.apply(step.mechanism)));
    }
    add(out, narrator.ending());
    mark_bodies(out);
    return out;
  }

 private:
  explicit Scribe(const Tokenizer& tokenizer)
      : tokenizer_(&tokenizer),
        header_end_(*tokenizer.find_special("<|:|>")),
        closer_(*tokenizer.find_special("<|/ev|>")) {}

  std::int32_t id_token(int event) const {
    return *tokenizer_->find_special("<|e" + std::to_string(event) + "|>");
  }

  void add(Narrative& out, const std::vector<worlds::Piece>& pieces) const {
    for (const worlds::Piece& piece : pieces) {
      const auto ids = tokenizer_->encode(piece.text, SpecialTokens::parse);
      out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    }
  }

  void mark_bodies(Narrative& out) const {
    bool in_body = false;
    for (const std::int32_t id : out.ids) {
      if (id == closer_) in_body = false;
      out.is_body.push_back(in_body);
      if (id == header_end_) in_body = true;
    }
  }

  const Tokenizer* tokenizer_;
  std::int32_t header_end_, closer_;
};

double negative_log_probability(std::span<const float> logits, std::int32_t token) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

void count(TextScores& scores, const Narrative& narrative, const ForwardOutput& output) {
  ++scores.n_narratives;
  for (std::size_t i = 1; i < narrative.ids.size(); ++i) {  // row i - 1 predicts token i
    const double nll = negative_log_probability(output.row(i - 1), narrative.ids[i]);
    ++scores.n_tokens;
    scores.nll += nll;
    if (!narrative.is_body[i]) continue;
    ++scores.n_body_tokens;
    scores.body_nll += nll;
  }
  for (const Decision& decision : narrative.decisions) {
    const auto row = output.row(decision.position - 1);
    const auto choice =
        static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    ++scores.n_decisions;
    scores.guess += decision.guess;
    const auto& best = decision.optimal;
    scores.n_optimal += std::find(best.begin(), best.end(), choice) != best.end() ? 1 : 0;
  }
}

double ratio(double sum, std::size_t n) {
  return n == 0 ? 0.0 : sum / static_cast<double>(n);
}

}  // namespace

double TextScores::perplexity() const {
  return std::exp(ratio(nll, n_tokens));
}

double TextScores::body_perplexity() const {
  return std::exp(ratio(body_nll, n_body_tokens));
}

double TextScores::next_action_accuracy() const {
  return ratio(static_cast<double>(n_optimal), n_decisions);
}

double TextScores::guess_accuracy() const {
  return ratio(guess, n_decisions);
}

Result<TextScores> score_text(Model& model, const Tokenizer& tokenizer,
                              std::span<const worlds::WorldKey> keys,
                              const worlds::WorldOptions& options,
                              const std::function<void(std::size_t n_done)>& on_progress) {
  HADAL_ASSIGN(const Scribe scribe, Scribe::create(tokenizer));
  TextScores scores;
  ForwardOutput output;
  for (const worlds::WorldKey& key : keys) {
    const worlds::World world = worlds::generate_world(key, options);
    const Narrative narrative = scribe.write(world, options);
    SequenceState state = model.new_sequence();
    const ForwardInput input{.state = &state, .tokens = narrative.ids, .logits = LogitsFor::all};
    model.forward({&input, 1}, output);
    count(scores, narrative, output);
    if (on_progress) on_progress(scores.n_narratives);
  }
  return scores;
}

}  // namespace hadal::eval
