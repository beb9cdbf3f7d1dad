#include "eval/ablation_report.h"

#include "base/line_plot.h"
#include "worlds/question.h"
#include "worlds/world.h"

#include <fmt/format.h>

#include <algorithm>

namespace hadal::eval {
namespace {

struct ArmData {
  Arm outcomes;
  Summary plain, perturbed, hidden;
  std::map<worlds::QuestionType, QuestionSummary> questions;
  QuestionSummary pairs;
  std::vector<TextSums> texts;
  std::vector<const LearningCurve*> curves;
};

std::map<std::string, ArmData> arms_of(std::span<const RunRecord> runs) {
  std::map<std::string, ArmData> arms;
  for (const RunRecord& run : runs) {
    ArmData& arm = arms[run.arm];
    arm.outcomes.name = run.arm;
    RunOutcomes outcomes;
    for (const EpisodeRow& row : run.episodes) {
      if (row.kind == EpisodeKind::plain) {
        outcomes.solved[row.depth].push_back(row.solved ? 1 : 0);
        arm.plain.add(row);
      } else {
        (row.kind == EpisodeKind::perturbed ? arm.perturbed : arm.hidden).add(row);
      }
    }
    arm.outcomes.runs.push_back(std::move(outcomes));
    for (const QuestionRow& row : run.questions)
      (row.set == QuestionSet::pair ? arm.pairs : arm.questions[row.type]).add(row);
    if (run.text) arm.texts.push_back(*run.text);
    if (!run.curve.tokens.empty()) arm.curves.push_back(&run.curve);
  }
  return arms;
}

std::string percent(const Estimate& e) {
  return fmt::format("{:.1f} ({:.1f}–{:.1f})", 100 * e.value, 100 * e.low, 100 * e.high);
}

std::string signed_percent(const Estimate& e) {
  return fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", 100 * e.value, 100 * e.low, 100 * e.high);
}

std::string percent(double share) {
  return fmt::format("{:.1f}", 100 * share);
}

class Report {
 public:
  Report(std::span<const RunRecord> runs, const BootstrapOptions& options)
      : options_(options), arms_(arms_of(runs)) {
    for (const auto& [name, arm] : arms_) {
      const std::string missing = missing_depth(arm.outcomes, options);
      if (missing.empty()) {
        draws_[name] = resample({&arm.outcomes, 1}, options).front();
      } else {
        incomplete_ += fmt::format("* {}: no P for it.\n", missing);
      }
    }
  }

  AblationReport make() {
    out_ += "# Ablation of the causal latent layer\n\n";
    out_ += fmt::format(
        "Success in % with 95 % intervals: hierarchical bootstrap of {} resamples (seeds, then "
        "episodes within each depth). P: mean over depths {}–{}, each of equal weight. With one "
        "run "
        "an interval holds for that trained model alone.\n\n",
        options_.n_resamples, options_.first_depth, options_.last_depth);
    success_table();
    verdict();
    comparisons();
    probes();
    questions();
    texts();
    success_figure();
    learning_figures();
    return {std::move(out_), std::move(figures_)};
  }

 private:
  const Draws* p_of(const std::string& arm) const {
    const auto found = draws_.find(arm);
    return found == draws_.end() ? nullptr : &found->second.p;
  }

  void success_table() {
    out_ += "| arm | runs |";
    for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) out_ += fmt::format(" d{} |", depth);
    out_ += " P | valid actions | shortest | causes F1 | tokens per solved |\n|---|---|";
    for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) out_ += "---|";
    out_ += "---|---|---|---|---|\n";
    for (const auto& [name, arm] : arms_) {
      out_ += fmt::format("| {} | {} |", name, arm.outcomes.runs.size());
      const auto draws = draws_.find(name);
      for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) {
        const bool known = draws != draws_.end() && draws->second.by_depth.contains(depth);
        out_ += known ? fmt::format(" {} |", percent(draws->second.by_depth.at(depth).estimate()))
                      : std::string(" – |");
      }
      const Summary& s = arm.plain;
      out_ += fmt::format(" {} | {} | {} | {:.3f} | {:.0f} |\n",
                          draws == draws_.end() ? "–" : percent(draws->second.p.estimate()),
                          percent(s.valid_share()), percent(s.share(s.n_optimal)), s.causes_f1(),
                          s.tokens_per_solved());
    }
    baselines();
    out_ += "\n" + incomplete_;
    if (!incomplete_.empty()) out_ += "\n";
  }

  /// The same episodes for every arm, so those of any run.
  void baselines() {
    const auto& arm = arms_.begin()->second.plain;
    out_ += fmt::format(
        "\nOver all these episodes, whatever their depth: random valid actions solve {} %, the "
        "first "
        "executable mechanism {} %, search {} %.\n",
        percent(arm.share(arm.n_random)), percent(arm.share(arm.n_greedy)),
        percent(arm.share(arm.n_search)));
  }

  void verdict() {
    const Draws *a = p_of("A"), *b = p_of("B"), *c = p_of("C");
    out_ += "## Verdict\n\n";
    if (a == nullptr || b == nullptr || c == nullptr) {
      out_ += "None: it needs arms A, B and C with all depths.\n\n";
      return;
    }
    out_ += fmt::format("**{}.**\n\n", judge(*a, *b, *c).text);
    if (const Draws* g = p_of("G")) {
      out_ += fmt::format(
          "What G reaches is due to the graph closure, computed outside of the network; only the "
          "rest, C - G = {} percentage points, can be due to masking and looping.\n\n",
          signed_percent(difference(*c, *g).estimate()));
    } else {
      out_ +=
          "Arm G (the closure told in the text) is missing, so this says nothing about how much "
          "of it the closure alone gives.\n\n";
    }
  }

  void comparisons() {
    struct Pair {
      const char* name;
      const Draws* left;
      const Draws* right;
    };
    const Draws *a = p_of("A"), *b = p_of("B"), *c = p_of("C");
    Draws control;
    if (a != nullptr && b != nullptr) control = larger(*a, *b);
    const Pair pairs[] = {{"C – B", c, b},
                          {"C – A", c, a},
                          {"C – max(A, B)", c, a != nullptr && b != nullptr ? &control : nullptr},
                          {"D – C", p_of("D"), c},
                          {"C – E", c, p_of("E")},
                          {"C – G", c, p_of("G")},
                          {"C – H", c, p_of("H")}};
    out_ += "## Comparisons on P\n\n| | percentage points | relative, % |\n|---|---|---|\n";
    for (const Pair& pair : pairs) {
      if (pair.left == nullptr || pair.right == nullptr) continue;
      const bool on_floor = pair.right->value < kFloor;
      out_ +=
          fmt::format("| {} | {} | {} |\n", pair.name,
                      signed_percent(difference(*pair.left, *pair.right).estimate()),
                      on_floor ? fmt::format("(over a P below {}: no headline)", kFloor)
                               : signed_percent(relative_gain(*pair.left, *pair.right).estimate()));
    }
    out_ += "\n";
  }

  void probes() {
    out_ +=
        "## Probes\n\n| arm | after a change from outside, % | mechanisms hidden, % | chance: "
        "random calls, % | chance: following refusals, % |\n|---|---|---|---|---|\n";
    const auto success = [](const Summary& s) {
      if (s.n_episodes == 0) return std::string("–");
      const Proportion p = s.success();
      return percent(Estimate{p.share, p.low, p.high});
    };
    for (const auto& [name, arm] : arms_) {
      const Summary& hidden = arm.hidden;
      out_ += fmt::format("| {} | {} | {} | {} | {} |\n", name, success(arm.perturbed),
                          success(hidden), percent(hidden.share(hidden.n_random_calls)),
                          percent(hidden.share(hidden.n_refusals)));
    }
    out_ +=
        "\nWilson intervals over all episodes of the probe, seeds pooled. A prompt without its "
        "mechanisms should leave a model at chance: the better of two players who know the "
        "words but never read a mechanism.\n\n";
  }

  void questions() {
    std::string rows;
    const QuestionSummary* any_arm[worlds::kQuestionTypes.size()] = {};
    for (const auto& [name, arm] : arms_) {
      if (arm.questions.empty()) continue;
      rows += fmt::format("| {} |", name);
      QuestionSummary all;
      for (std::size_t i = 0; i < worlds::kQuestionTypes.size(); ++i) {
        const auto found = arm.questions.find(worlds::kQuestionTypes[i]);
        if (found == arm.questions.end()) {
          rows += " – |";
          continue;
        }
        const QuestionSummary& s = found->second;
        any_arm[i] = &s;
        const Proportion right = s.accuracy();
        rows += fmt::format(" {} |", percent(Estimate{right.share, right.low, right.high}));
        all.n_cited += s.n_cited;
        all.n_causes += s.n_causes;
        all.n_cited_right += s.n_cited_right;
      }
      rows += fmt::format(" {:.3f} | {} | {} |\n", all.causes_f1(),
                          percent(arm.pairs.consistency().share),
                          percent(arm.pairs.changed_consistency().share));
    }
    if (rows.empty()) return;
    out_ += "## Causal questions, right in %\n\n| arm |";
    for (const worlds::QuestionType type : worlds::kQuestionTypes)
      out_ += fmt::format(" {} |", name_of(type));
    out_ += " causes F1 | both of a do(x) pair | of pairs whose answers differ |\n|---|";
    for (std::size_t i = 0; i < worlds::kQuestionTypes.size() + 3; ++i) out_ += "---|";
    out_ += "\n" + rows + "| majority answer of the training text |";
    for (const QuestionSummary* s : any_arm)
      out_ += s == nullptr ? std::string(" – |")
                           : fmt::format(" {} |", percent(s->share(s->n_majority)));
    out_ += " | | |\n\nWilson intervals, seeds pooled.\n\n";
  }

  void texts() {
    std::string rows;
    for (const auto& [name, arm] : arms_) {
      if (arm.texts.empty()) continue;
      TextSums mean;
      const auto n = static_cast<double>(arm.texts.size());
      for (const TextSums& text : arm.texts) {
        mean.perplexity += text.perplexity / n;
        mean.body_perplexity += text.body_perplexity / n;
        mean.next_action_accuracy += text.next_action_accuracy / n;
      }
      rows += fmt::format("| {} | {:.3f} | {:.3f} | {} |\n", name, mean.perplexity,
                          mean.body_perplexity, percent(mean.next_action_accuracy));
    }
    if (rows.empty()) return;
    out_ +=
        "## Held-out narratives of the trained depths (mean of the seeds)\n\n| arm | perplexity, "
        "all "
        "tokens | bodies of events | next action right, % |\n|---|---|---|---|\n" +
        rows + "\n";
  }

  void success_figure() {
    std::vector<PlotSeries> series;
    for (const auto& [name, draws] : draws_) {
      PlotSeries line{.label = name, .x = {}, .y = {}, .low = {}, .high = {}};
      for (const auto& [depth, at] : draws.by_depth) {
        const Estimate e = at.estimate();
        line.x.push_back(depth);
        line.y.push_back(100 * e.value);
        line.low.push_back(100 * e.low);
        line.high.push_back(100 * e.high);
      }
      series.push_back(std::move(line));
    }
    figure("success.svg",
           {.title = "Success by depth, 95 % intervals",
            .x_label = "depth: length of the shortest plan",
            .y_label = "episodes solved, %",
            .y_low = 0.0,
            .y_high = 100.0,
            .markers = true},
           series);
  }

  void learning_figures() {
    std::vector<PlotSeries> loss, accuracy;
    for (const auto& [name, arm] : arms_) {
      if (arm.curves.empty()) continue;
      loss.push_back(mean_curve(name, arm.curves, &LearningCurve::loss, 1.0));
      accuracy.push_back(mean_curve(name, arm.curves, &LearningCurve::next_action_accuracy, 100.0));
    }
    if (loss.empty()) return;
    figure("loss.svg",
           {.title = "Loss against tokens (mean of the seeds, least to most)",
            .x_label = "million tokens",
            .y_label = "loss, nats per token"},
           loss);
    figure("next_action.svg",
           {.title = "Next action right, teacher forced (mean of the seeds, least to most)",
            .x_label = "million tokens",
            .y_label = "decisions, %",
            .y_low = 0.0,
            .y_high = 100.0},
           accuracy);
  }

  /// Over the seeds, at the tokens of the shortest log.
  static PlotSeries mean_curve(const std::string& name,
                               const std::vector<const LearningCurve*>& curves,
                               std::vector<double> LearningCurve::*values, double scale) {
    const LearningCurve* shortest = *std::min_element(
        curves.begin(), curves.end(),
        [](const auto* a, const auto* b) { return a->tokens.back() < b->tokens.back(); });
    PlotSeries line{.label = name, .x = {}, .y = {}, .low = {}, .high = {}};
    for (const double tokens : shortest->tokens) {
      std::vector<double> at;
      for (const LearningCurve* curve : curves)
        at.push_back(scale * interpolate(curve->tokens, curve->*values, tokens));
      double sum = 0.0;
      for (const double value : at) sum += value;
      line.x.push_back(tokens / 1e6);
      line.y.push_back(sum / static_cast<double>(at.size()));
      const auto [low, high] = std::minmax_element(at.begin(), at.end());
      line.low.push_back(*low);
      line.high.push_back(*high);
    }
    return line;
  }

  void figure(const char* name, const PlotOptions& options, const std::vector<PlotSeries>& series) {
    out_ += fmt::format("![{}]({})\n\n", options.title, name);
    figures_[name] = line_plot_svg(options, series);
  }

  const BootstrapOptions& options_;
  std::map<std::string, ArmData> arms_;
  std::map<std::string, ArmDraws> draws_;  ///< of arms with all depths of P
  std::string incomplete_;
  std::string out_;
  std::map<std::string, std::string> figures_;
};

}  // namespace

AblationReport make_report(std::span<const RunRecord> runs, const BootstrapOptions& options) {
  return Report(runs, options).make();
}

}  // namespace hadal::eval
