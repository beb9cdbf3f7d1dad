#include "eval/bootstrap.h"

#include "base/check.h"
#include "base/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace hadal::eval {
namespace {

double mean(const std::vector<std::uint8_t>& solved) {
  double sum = 0.0;
  for (const std::uint8_t one : solved) sum += one;
  return sum / static_cast<double>(solved.size());
}

std::size_t below(std::uint64_t word, std::size_t n) {
  return static_cast<std::size_t>(((word >> 32) * n) >> 32);
}

/// Depths that every run of the arm has.
std::vector<int> common_depths(const Arm& arm) {
  std::vector<int> depths;
  for (const auto& [depth, solved] : arm.runs.front().solved) {
    const bool everywhere = std::all_of(arm.runs.begin(), arm.runs.end(), [&](const auto& run) {
      const auto found = run.solved.find(depth);
      return found != run.solved.end() && !found->second.empty();
    });
    if (everywhere) depths.push_back(depth);
  }
  return depths;
}

/// The mean of a run at one depth in each resample.
std::vector<double> resample_episodes(const std::vector<std::uint8_t>& solved, int depth,
                                      const BootstrapOptions& options) {
  const std::uint64_t stream = splitmix64_at(options.seed ^ fnv1a64("bootstrap episodes"),
                                             static_cast<std::uint64_t>(depth));
  const std::size_t n = solved.size();
  std::vector<double> means(options.n_resamples);
  for (std::size_t b = 0; b < options.n_resamples; ++b) {
    const std::uint64_t words = splitmix64_at(stream, b);
    std::size_t sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += solved[below(splitmix64_at(words, k), n)];
    means[b] = static_cast<double>(sum) / static_cast<double>(n);
  }
  return means;
}

ArmDraws resample_arm(const Arm& arm, const BootstrapOptions& options) {
  const std::size_t n_runs = arm.runs.size();
  const std::uint64_t stream =
      splitmix64_at(options.seed ^ fnv1a64("bootstrap seeds"), fnv1a64(arm.name));
  const auto run_drawn = [&](std::size_t b, std::size_t k) {
    return below(splitmix64_at(splitmix64_at(stream, b), k), n_runs);
  };
  ArmDraws draws{.name = arm.name, .n_runs = n_runs, .by_depth = {}, .p = {}};
  draws.p.resampled.assign(options.n_resamples, 0.0);
  const auto share = 1.0 / static_cast<double>(n_runs);
  const auto weight = 1.0 / static_cast<double>(options.last_depth - options.first_depth + 1);
  for (const int depth : common_depths(arm)) {
    std::vector<std::vector<double>> runs;
    Draws& at = draws.by_depth[depth];
    for (const RunOutcomes& run : arm.runs) {
      runs.push_back(resample_episodes(run.solved.at(depth), depth, options));
      at.value += share * mean(run.solved.at(depth));
    }
    at.resampled.assign(options.n_resamples, 0.0);
    for (std::size_t b = 0; b < options.n_resamples; ++b)
      for (std::size_t k = 0; k < n_runs; ++k) at.resampled[b] += share * runs[run_drawn(b, k)][b];
    if (depth < options.first_depth || depth > options.last_depth) continue;
    draws.p.value += weight * at.value;
    for (std::size_t b = 0; b < options.n_resamples; ++b)
      draws.p.resampled[b] += weight * at.resampled[b];
  }
  return draws;
}

/// Linear interpolation between order statistics (Hyndman & Fan type 7).
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto i = static_cast<std::size_t>(at);
  const double low = sorted[i];
  const double high = sorted[std::min(i + 1, sorted.size() - 1)];
  if (low == high || !std::isfinite(low) || !std::isfinite(high)) return low;
  return low + (at - std::floor(at)) * (high - low);
}

template <typename F>
Draws combine(const Draws& a, const Draws& b, F f) {
  HADAL_CHECK(a.resampled.size() == b.resampled.size(), "draws of one bootstrap");
  Draws out{.value = f(a.value, b.value), .resampled = std::vector<double>(a.resampled.size())};
  for (std::size_t i = 0; i < out.resampled.size(); ++i)
    out.resampled[i] = f(a.resampled[i], b.resampled[i]);
  return out;
}

std::string percent_text(const Estimate& e, const char* unit) {
  return fmt::format("{:+.1f} {} (95 % interval {:+.1f} to {:+.1f})", 100 * e.value, unit,
                     100 * e.low, 100 * e.high);
}

}  // namespace

Estimate Draws::estimate() const {
  if (resampled.empty()) return {value, value, value};
  std::vector<double> sorted = resampled;
  std::sort(sorted.begin(), sorted.end());
  return {value, quantile(sorted, 0.025), quantile(sorted, 0.975)};
}

std::string missing_depth(const Arm& arm, const BootstrapOptions& options) {
  if (arm.runs.empty()) return fmt::format("arm {} has no runs", arm.name);
  const std::vector<int> depths = common_depths(arm);
  for (int depth = options.first_depth; depth <= options.last_depth; ++depth)
    if (std::find(depths.begin(), depths.end(), depth) == depths.end())
      return fmt::format("arm {}: no episodes of depth {} in every run", arm.name, depth);
  return {};
}

std::vector<ArmDraws> resample(std::span<const Arm> arms, const BootstrapOptions& options) {
  std::vector<ArmDraws> draws;
  for (const Arm& arm : arms) {
    HADAL_CHECK(missing_depth(arm, options).empty(), "an arm without episodes");
    draws.push_back(resample_arm(arm, options));
  }
  return draws;
}

Draws difference(const Draws& a, const Draws& b) {
  return combine(a, b, [](double x, double y) { return x - y; });
}

Draws relative_gain(const Draws& a, const Draws& b) {
  return combine(a, b, [](double x, double y) {
    if (y > 0.0) return (x - y) / y;
    return x > 0.0 ? std::numeric_limits<double>::infinity() : 0.0;
  });
}

Draws larger(const Draws& a, const Draws& b) {
  return combine(a, b, [](double x, double y) { return std::max(x, y); });
}

Judgement judge(const Draws& a, const Draws& b, const Draws& c) {
  const Draws control = larger(a, b);
  Judgement judgement;
  judgement.in_points = control.value < kFloor;
  judgement.gain = judgement.in_points ? difference(c, control).estimate()
                                       : relative_gain(c, control).estimate();
  const double low = judgement.gain.low;
  if (!judgement.in_points && low >= kGainClaimed) {
    judgement.verdict = Verdict::reproduced;
    judgement.text = "reproduced at toy scale";
  } else if (low > 0.0) {
    judgement.verdict = Verdict::improves;
    judgement.text = "improves, 15 % not established";
  } else {
    judgement.text = "no effect found";
  }
  if (judgement.in_points) {
    judgement.text += fmt::format(
        ": P of both controls is below {}, so a relative gain means nothing; C is above the better "
        "of A and B by {}",
        kFloor, percent_text(judgement.gain, "percentage points"));
  } else {
    judgement.text += fmt::format(": relative gain of C over the better of A and B on P {}",
                                  percent_text(judgement.gain, "%"));
  }
  return judgement;
}

}  // namespace hadal::eval
