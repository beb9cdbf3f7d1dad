#include "eval/ablation_report.h"

#include "base/line_plot.h"
#include "eval/ablation_probes.h"
#include "eval/arm_data.h"
#include "worlds/world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace hadal::eval {
namespace {

constexpr const char* kOneRun = "†";

std::string percent(const Estimate& e) {
  return fmt::format("{:.1f} ({:.1f}–{:.1f})", 100 * e.value, 100 * e.low, 100 * e.high);
}

std::string signed_percent(const Estimate& e) {
  if (!std::isfinite(e.high))  // a resample in which the control solved nothing
    return fmt::format("{:+.1f} ({:+.1f}, no upper end)", 100 * e.value, 100 * e.low);
  return fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", 100 * e.value, 100 * e.low, 100 * e.high);
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
        "episodes within each depth). P: mean over depths {}–{}, each of equal weight. Intervals "
        "of two or three seeds are rough: that few show little of the spread between seeds. "
        "{} one run: the interval holds for that trained model alone.\n\n",
        options_.n_resamples, options_.first_depth, options_.last_depth, kOneRun);
    success_table();
    verdict();
    comparisons();
    out_ += probes_section(arms_);
    out_ += questions_section(arms_);
    out_ += texts_section(arms_);
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
    out_ +=
        " P | valid actions | shortest | causes F1 | tokens per solved | GFLOP per solved "
        "|\n|---|---|";
    for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) out_ += "---|";
    out_ += "---|---|---|---|---|---|\n";
    for (const auto& [name, arm] : arms_) {
      const bool is_one = arm.runs.size() == 1;
      out_ += fmt::format("| {}{} | {} |", name, is_one ? kOneRun : "", arm.runs.size());
      const auto draws = draws_.find(name);
      for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) {
        const bool known = draws != draws_.end() && draws->second.by_depth.contains(depth);
        out_ += known ? fmt::format(" {} |", percent(draws->second.by_depth.at(depth).estimate()))
                      : std::string(" – |");
      }
      const Summary& s = arm.plain;
      const bool has_flops = arm.flops > 0.0 && s.n_solved > 0;
      out_ += fmt::format(
          " {} | {} | {} | {:.3f} | {:.0f} | {} |\n",
          draws == draws_.end() ? "–" : percent(draws->second.p.estimate()),
          percent_text(s.valid_share()), percent_text(s.share(s.n_optimal)), s.causes_f1(),
          s.tokens_per_solved(),
          has_flops ? fmt::format("{:.2f}", arm.flops / static_cast<double>(s.n_solved) / 1e9)
                    : "–");
    }
    baseline("random valid actions", &Summary::n_random);
    baseline("greedy: the first action that is possible and new", &Summary::n_greedy);
    baseline("search", &Summary::n_search);
    out_ += "\n" + incomplete_;
    if (!incomplete_.empty()) out_ += "\n";
  }

  /// A row of a player without a model, on the episodes of the arm that played most.
  void baseline(const char* name, std::size_t Summary::*n_solved) {
    const auto most =
        std::max_element(arms_.begin(), arms_.end(), [](const auto& a, const auto& b) {
          return common_episodes(a.second) < common_episodes(b.second);
        });
    const auto& by_depth = most->second.plain_by_depth;
    out_ += fmt::format("| {} | |", name);
    double sum = 0.0;
    int n_depths = 0;
    for (int depth = 1; depth <= worlds::kMaxDepth; ++depth) {
      const auto at = by_depth.find(depth);
      const double share = at == by_depth.end() ? 0.0 : at->second.share(at->second.*n_solved);
      out_ +=
          at == by_depth.end() ? std::string(" – |") : fmt::format(" {} |", percent_text(share));
      if (depth < options_.first_depth || depth > options_.last_depth) continue;
      sum += share;
      ++n_depths;
    }
    out_ += fmt::format(" {} | | | | | |\n", percent_text(sum / n_depths));
  }

  void verdict() {
    const Draws *a = p_of("A"), *b = p_of("B"), *c = p_of("C");
    out_ += "## Verdict\n\n";
    if (a == nullptr || b == nullptr || c == nullptr) {
      out_ += "None: it needs arms A, B and C with all depths.\n\n";
      return;
    }
    out_ += fmt::format("**{}.**\n\n", judge(*a, *b, *c).text);
    if (p_of("G") != nullptr) {
      out_ +=
          "What G reaches is due to the graph closure, computed outside of the network; only the "
          "rest, C – G below, can be due to masking and looping.\n\n";
    } else {
      out_ +=
          "Arm G (the closure told in the text) is missing, so this says nothing about how much "
          "of it the closure alone gives.\n\n";
    }
  }

  void comparisons() {
    out_ +=
        "## Comparisons on P\n\nOn the episodes that both arms have played. Where the arms have "
        "different seeds a second line has those of both; pairs of equal seed read the same "
        "text.\n\n| | runs | episodes a depth | percentage points | relative, % "
        "|\n|---|---|---|---|---|\n";
    compare("C", {"B"});
    compare("C", {"A"});
    compare("C", {"A", "B"});
    compare("D", {"C"});
    for (const char* control : {"E", "G", "H", "B-4x"}) compare("C", {control});
    compare("F", {"C"});
    compare("F (token_causal)", {"B"});
    out_ += "\n";
  }

  /// `left` against the control, or the better of two controls.
  void compare(const std::string& left, const std::vector<std::string>& controls) {
    std::vector<const ArmData*> all;
    for (const std::string& name : controls) all.push_back(complete_arm(name));
    all.insert(all.begin(), complete_arm(left));
    if (std::find(all.begin(), all.end(), nullptr) != all.end()) return;
    std::vector<std::uint64_t> any, common;
    for (const ArmData* arm : all)
      for (const RunData& run : arm->runs) any.push_back(run.seed);
    for (const RunData& run : all.front()->runs) {
      if (std::all_of(all.begin(), all.end(), [&](auto* arm) { return arm->has_seed(run.seed); }))
        common.push_back(run.seed);
    }
    const std::string control =
        controls.size() == 1 ? controls[0] : fmt::format("max({}, {})", controls[0], controls[1]);
    compare_runs(fmt::format("{} – {}", left, control), all, any);
    const bool differ = std::any_of(all.begin(), all.end(), [&](const ArmData* arm) {
      return arm->runs.size() != common.size();
    });
    if (differ && !common.empty()) {
      compare_runs(fmt::format("{} – {}, seed {}", left, control, fmt::join(common, " and ")), all,
                   common);
    }
  }

  void compare_runs(const std::string& name, const std::vector<const ArmData*>& arms,
                    const std::vector<std::uint64_t>& seeds) {
    std::size_t n_episodes = common_episodes(*arms.front());
    for (const ArmData* arm : arms) n_episodes = std::min(n_episodes, common_episodes(*arm));
    std::vector<Arm> parts;
    std::vector<std::size_t> n_runs;
    for (const ArmData* arm : arms) {
      parts.push_back(part_of(*arm, seeds, n_episodes));
      n_runs.push_back(parts.back().runs.size());
    }
    const std::vector<ArmDraws> draws = resample(parts, options_);
    Draws control = draws[1].p;
    for (std::size_t i = 2; i < draws.size(); ++i) control = larger(control, draws[i].p);
    const bool is_one = std::find(n_runs.begin(), n_runs.end(), 1u) != n_runs.end();
    const bool on_floor = control.value < kFloor;
    out_ += fmt::format("| {}{} | {} | {} | {} | {} |\n", name, is_one ? kOneRun : "",
                        fmt::join(n_runs, ", "), n_episodes,
                        signed_percent(difference(draws[0].p, control).estimate()),
                        on_floor ? fmt::format("(over a P below {}: no headline)", kFloor)
                                 : signed_percent(relative_gain(draws[0].p, control).estimate()));
  }

  /// Null where depths of P are missing.
  const ArmData* complete_arm(const std::string& name) const {
    const auto found = arms_.find(name);
    return found == arms_.end() || !draws_.contains(name) ? nullptr : &found->second;
  }

  void success_figure() {
    std::vector<PlotSeries> series;
    for (const auto& [name, draws] : draws_) {
      const bool is_one = arms_.at(name).runs.size() == 1;
      PlotSeries line{
          .label = is_one ? name + " (one run)" : name, .x = {}, .y = {}, .low = {}, .high = {}};
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
