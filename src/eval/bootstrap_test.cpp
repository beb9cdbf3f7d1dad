#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hadal::eval {
namespace {

std::vector<std::uint8_t> outcomes(std::size_t n_solved, std::size_t n) {
  std::vector<std::uint8_t> solved(n, 0);
  std::fill_n(solved.begin(), n_solved, std::uint8_t{1});
  return solved;
}

constexpr BootstrapOptions kOneDepth{
    .n_resamples = 10000, .first_depth = 2, .last_depth = 2, .seed = 7};

ArmDraws draws_of(const Arm& arm, const BootstrapOptions& options) {
  return resample({&arm, 1}, options).front();
}

/// Draws around `value` with the given ends, for the verdict.
Draws exactly(double value) {
  return {.value = value, .resampled = {value, value}};
}

/// The smallest k with P(X <= k) >= q for X ~ binomial(n, p).
std::size_t binomial_quantile(std::size_t n, double p, double q) {
  double cumulative = 0.0;
  for (std::size_t k = 0; k <= n; ++k) {
    const auto x = static_cast<double>(k), m = static_cast<double>(n);
    cumulative += std::exp(std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) +
                           x * std::log(p) + (m - x) * std::log1p(-p));
    if (cumulative >= q) return k;
  }
  return n;
}

// With one run a resampled mean is binomial(n, p) / n. The empirical 2.5 % point of B draws lies
// between the exact points of 2.5 % +- 4 sqrt(0.025 x 0.975 / B), with probability 0.9999.
TEST(Bootstrap, OfOneSeedIsBinomial) {
  constexpr std::size_t n = 400, n_solved = 120;
  const Arm arm{.name = "A", .runs = {{.solved = {{2, outcomes(n_solved, n)}}}}};

  const Estimate p = draws_of(arm, kOneDepth).p.estimate();

  const double slack = 4 * std::sqrt(0.025 * 0.975 / kOneDepth.n_resamples);
  const auto exact = [&](double q) {
    return static_cast<double>(binomial_quantile(n, 0.3, q)) / static_cast<double>(n);
  };
  EXPECT_DOUBLE_EQ(p.value, 0.3);
  EXPECT_GE(p.low, exact(0.025 - slack));
  EXPECT_LE(p.low, exact(0.025 + slack));
  EXPECT_GE(p.high, exact(0.975 - slack));
  EXPECT_LE(p.high, exact(0.975 + slack));
}

// Two runs, one always right and one always wrong: a resample is 0, 1/2 or 1 with probabilities
// 1/4, 1/2, 1/4, whatever episodes are drawn. Tolerance: 4 sigma of a share of B draws.
TEST(Bootstrap, OfTwoSeedsDrawsTheSeeds) {
  const Arm arm{.name = "A",
                .runs = {{.solved = {{2, outcomes(50, 50)}}}, {.solved = {{2, outcomes(0, 50)}}}}};

  const Draws p = draws_of(arm, kOneDepth).p;

  const auto share = [&](double value) {
    return static_cast<double>(std::count(p.resampled.begin(), p.resampled.end(), value)) /
           static_cast<double>(p.resampled.size());
  };
  EXPECT_DOUBLE_EQ(p.value, 0.5);
  EXPECT_NEAR(share(0.5), 0.5, 4 * std::sqrt(0.25 / kOneDepth.n_resamples));
  EXPECT_NEAR(share(0.0), 0.25, 4 * std::sqrt(0.1875 / kOneDepth.n_resamples));
  EXPECT_DOUBLE_EQ(share(0.0) + share(0.5) + share(1.0), 1.0);
  EXPECT_EQ(p.estimate().low, 0.0);
  EXPECT_EQ(p.estimate().high, 1.0);
}

// Both runs fail and solve the same worlds: what the episodes add to the variance must not shrink
// with the number of runs, p (1 - p) / n and not half of it. Sample variance of B draws: relative
// deviation sqrt(2 / B), 4 sigma.
TEST(Bootstrap, EpisodesAreSharedByTheRunsOfAnArm) {
  const RunOutcomes run{.solved = {{2, outcomes(60, 200)}}};
  const Arm arm{.name = "A", .runs = {run, run}};

  const Draws p = draws_of(arm, kOneDepth).p;

  double variance = 0.0;
  for (const double x : p.resampled) variance += (x - 0.3) * (x - 0.3);
  variance /= static_cast<double>(p.resampled.size());
  const double expected = 0.3 * 0.7 / 200;
  EXPECT_NEAR(variance, expected, 4 * expected * std::sqrt(2.0 / kOneDepth.n_resamples));
}

TEST(Bootstrap, DepthsCountEquallyWhateverTheirEpisodes) {
  const Arm arm{.name = "A",
                .runs = {{.solved = {{1, outcomes(0, 9)},  // not part of P
                                     {2, outcomes(10, 10)},
                                     {3, outcomes(0, 1000)}}}}};

  const ArmDraws draws = draws_of(arm, {.n_resamples = 100, .first_depth = 2, .last_depth = 3});

  EXPECT_DOUBLE_EQ(draws.p.value, 0.5);
  for (const double x : draws.p.resampled) ASSERT_DOUBLE_EQ(x, 0.5);
  EXPECT_EQ(draws.by_depth.size(), 3u);
}

// One run each: seeds play no part, and equal outcomes on equal episodes differ by nothing at all.
TEST(Bootstrap, EpisodesArePairedBetweenArms) {
  const std::vector<Arm> arms = {{.name = "B", .runs = {{.solved = {{2, outcomes(50, 100)}}}}},
                                 {.name = "C", .runs = {{.solved = {{2, outcomes(50, 100)}}}}},
                                 {.name = "D", .runs = {{.solved = {{2, outcomes(80, 100)}}}}}};

  const auto draws = resample(arms, kOneDepth);

  for (const double x : difference(draws[1].p, draws[0].p).resampled) ASSERT_EQ(x, 0.0);
  // D solves what C solves and 30 more of 100: the difference is binomial(100, 0.3) / 100, narrower
  // than that of unpaired arms, whose variance would be 0.25 / 100 + 0.16 / 100.
  const Draws gain = difference(draws[2].p, draws[1].p);
  double variance = 0.0;
  for (const double x : gain.resampled) variance += (x - 0.3) * (x - 0.3);
  variance /= static_cast<double>(gain.resampled.size());
  EXPECT_NEAR(variance, 0.0021, 4 * 0.0021 * std::sqrt(2.0 / kOneDepth.n_resamples));
}

TEST(Bootstrap, IsAFunctionOfItsSeed) {
  const Arm arm{.name = "A",
                .runs = {{.solved = {{2, outcomes(5, 40)}}}, {.solved = {{2, outcomes(9, 40)}}}}};
  const BootstrapOptions one{.n_resamples = 50, .first_depth = 2, .last_depth = 2, .seed = 1};
  BootstrapOptions two = one;
  two.seed = 2;

  EXPECT_EQ(draws_of(arm, one).p.resampled, draws_of(arm, one).p.resampled);
  EXPECT_NE(draws_of(arm, one).p.resampled, draws_of(arm, two).p.resampled);
}

TEST(Bootstrap, NamesTheDepthThatIsMissing) {
  const Arm arm{.name = "E",
                .runs = {{.solved = {{2, outcomes(1, 2)}, {3, outcomes(1, 2)}}},
                         {.solved = {{2, outcomes(1, 2)}}}}};

  EXPECT_EQ(missing_depth(arm, {.first_depth = 2, .last_depth = 3}),
            "arm E: no episodes of depth 3 in every run");
  EXPECT_EQ(missing_depth(arm, {.first_depth = 2, .last_depth = 2}), "");
}

TEST(Bootstrap, AGainOverNothingIsInfiniteOrNone) {
  const Draws gain = relative_gain({.value = 0.5, .resampled = {0.0, 0.4, 0.6}},
                                   {.value = 0.25, .resampled = {0.0, 0.0, 0.3}});

  EXPECT_DOUBLE_EQ(gain.value, 1.0);
  EXPECT_EQ(gain.resampled[0], 0.0);
  EXPECT_TRUE(std::isinf(gain.resampled[1]));
  EXPECT_DOUBLE_EQ(gain.resampled[2], 1.0);
}

TEST(Verdict, UsesTheWordsFixedBeforehand) {
  const auto starts = [](const Judgement& j, const char* words) {
    return j.text.rfind(words, 0) == 0;
  };
  const Draws a = exactly(0.5), b = exactly(0.4);

  EXPECT_EQ(judge(a, b, exactly(0.5751)).verdict, Verdict::reproduced);
  EXPECT_TRUE(starts(judge(a, b, exactly(0.5751)), "reproduced at toy scale: "));
  EXPECT_EQ(judge(a, b, exactly(0.574)).verdict, Verdict::improves);
  EXPECT_TRUE(starts(judge(a, b, exactly(0.574)), "improves, 15 % not established: "));
  EXPECT_EQ(judge(a, b, exactly(0.5)).verdict, Verdict::no_effect);
  EXPECT_TRUE(starts(judge(a, b, exactly(0.45)), "no effect found: "));
}

TEST(Verdict, GoesByTheLowerEndAndTheBetterControl) {
  const Draws wide{.value = 0.9, .resampled = {0.55, 0.9}};  // lower end about 0.56

  EXPECT_EQ(judge(exactly(0.5), exactly(0.3), wide).verdict, Verdict::improves);
  EXPECT_EQ(judge(exactly(0.3), exactly(0.5), wide).verdict, Verdict::improves);
  EXPECT_EQ(judge(exactly(0.3), exactly(0.3), wide).verdict, Verdict::reproduced);
}

TEST(Verdict, OverAFloorCountsPointsAndClaimsNoPercentage) {
  const Judgement j = judge(exactly(0.04), exactly(0.06), exactly(0.64));

  EXPECT_TRUE(j.in_points);
  EXPECT_EQ(j.verdict, Verdict::improves);
  EXPECT_NEAR(j.gain.value, 0.58, 1e-12);
  EXPECT_NE(j.text.find("below 0.2"), std::string::npos);
  EXPECT_NE(j.text.find("+58.0 percentage points"), std::string::npos);
  EXPECT_FALSE(judge(exactly(0.25), exactly(0.06), exactly(0.64)).in_points);
  EXPECT_EQ(judge(exactly(0.04), exactly(0.06), exactly(0.05)).verdict, Verdict::no_effect);
}

}  // namespace
}  // namespace hadal::eval
