#include "engine/sampling/sampler.h"

#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace hadal {
namespace {

constexpr std::array<float, 4> kLogits{0.0f, 2.0f, 1.0f, 2.0f};

/// Shares of each token over many positions.
std::array<double, 4> shares(const SamplingOptions& options, const TokenHistory& history = {}) {
  constexpr int kDraws = 20000;
  std::array<double, 4> count{};
  for (std::uint64_t p = 0; p < kDraws; ++p) {
    ++count[static_cast<std::size_t>(sample(kLogits, options, history, p).token)];
  }
  for (double& c : count) c /= kDraws;
  return count;
}

constexpr double kTolerance = 0.015;  // > 4 sigma of a share over 20000 draws

}  // namespace

TEST(Sampler, GreedyTakesTheLowestIdAmongTies) {
  EXPECT_EQ(sample(kLogits, {}, {}, 0).token, 1);
}

TEST(Sampler, DrawsFromTheSoftmax) {
  const auto share = shares({.temperature = 1.0f, .seed = 7});

  const double total = 1.0 + std::exp(2.0) + std::exp(1.0) + std::exp(2.0);
  EXPECT_NEAR(share[0], 1.0 / total, kTolerance);
  EXPECT_NEAR(share[1], std::exp(2.0) / total, kTolerance);
  EXPECT_NEAR(share[2], std::exp(1.0) / total, kTolerance);
  EXPECT_NEAR(share[3], std::exp(2.0) / total, kTolerance);
}

TEST(Sampler, TemperatureSharpens) {
  const auto share = shares({.temperature = 0.5f});

  const double total = 1.0 + 2 * std::exp(4.0) + std::exp(2.0);
  EXPECT_NEAR(share[2], std::exp(2.0) / total, kTolerance);
}

TEST(Sampler, TopKKeepsTheMostLikely) {
  const auto share = shares({.temperature = 1.0f, .top_k = 1});

  EXPECT_EQ(share[1], 1.0);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  const auto share =
      shares({.temperature = 1.0f, .top_p = 0.5f});  // tokens 1 and 3 hold 0.8; one alone 0.4

  EXPECT_NEAR(share[1], 0.5, kTolerance);
  EXPECT_NEAR(share[3], 0.5, kTolerance);
}

TEST(Sampler, MinPDropsUnlikelyTokens) {
  const auto share = shares(
      {.temperature = 1.0f, .min_p = 0.3f});  // token 2 is exp(-1) = 0.37 of the best, token 0 0.14

  EXPECT_EQ(share[0], 0.0);
  EXPECT_GT(share[2], 0.1);
}

TEST(Sampler, RepetitionPenaltyCoversPromptAndAnswer) {
  const std::array<std::int32_t, 1> prompt{1};
  const std::array<std::int32_t, 1> answer{3};

  EXPECT_EQ(sample(kLogits, {.repetition_penalty = 4.0f}, {prompt, answer}, 0).token, 2);
}

TEST(Sampler, PresenceAndFrequencyCoverTheAnswerOnly) {
  const std::array<std::int32_t, 1> prompt{1};
  const std::array<std::int32_t, 3> answer{3, 3, 1};

  EXPECT_EQ(sample(kLogits, {.presence_penalty = 1.5f}, {prompt, {}}, 0).token, 1);
  EXPECT_EQ(sample(kLogits, {.presence_penalty = 1.5f}, {prompt, answer}, 0).token, 2);
  EXPECT_EQ(sample(kLogits, {.frequency_penalty = 0.6f}, {prompt, answer}, 0).token,
            1);  // 1.4 against 0.8 and 1.0
}

TEST(Sampler, IsKeyedBySeedAndPosition) {
  const SamplingOptions options{.temperature = 1.0f, .seed = 3};
  int differs = 0;
  for (std::uint64_t p = 0; p < 64; ++p) {
    EXPECT_EQ(sample(kLogits, options, {}, p).token, sample(kLogits, options, {}, p).token);
    differs += sample(kLogits, options, {}, p).token !=
               sample(kLogits, {.temperature = 1.0f, .seed = 4}, {}, p).token;
  }
  EXPECT_GT(differs, 10);
}

TEST(Sampler, ReportsLogprobsOfTheUntouchedLogits) {
  const TokenChoice choice = sample(kLogits, {.n_logprobs = 3}, {}, 0);

  const double total = 1.0 + std::exp(2.0) + std::exp(1.0) + std::exp(2.0);
  EXPECT_NEAR(choice.logprob, 2.0 - std::log(total), 1e-6);
  ASSERT_EQ(choice.top_logprobs.size(), 3u);
  EXPECT_EQ(choice.top_logprobs[0].first, 1);
  EXPECT_EQ(choice.top_logprobs[1].first, 3);
  EXPECT_EQ(choice.top_logprobs[2].first, 2);
}

TEST(Sampler, ChoosesAllowedTokensOnlyAndReportsTheModelsLogprobs) {
  const std::array<std::uint64_t, 1> allowed{0b0101};  // tokens 0 and 2
  for (const float temperature : {0.0f, 1.0f, 100.0f}) {
    const SamplingOptions options{.temperature = temperature, .seed = 3, .n_logprobs = 1};
    int n_of_0 = 0;
    for (std::uint64_t p = 0; p < 200; ++p) {
      const TokenChoice choice = sample(kLogits, options, {}, p, allowed);
      ASSERT_TRUE(choice.token == 0 || choice.token == 2) << choice.token;
      n_of_0 += choice.token == 0;
      EXPECT_EQ(choice.logprob, score(kLogits, choice.token, 0).logprob);
      EXPECT_EQ(choice.top_logprobs.front().first, 1) << "the model's favourite, though forbidden";
    }
    EXPECT_EQ(n_of_0 > 0, temperature > 0.0f);
  }
}

/// The definition, without a thought of speed: all tokens sorted, forbidden ones at -infinity.
std::int32_t plainly(std::vector<float> logits, const SamplingOptions& o, std::uint64_t position,
                     std::span<const std::uint64_t> allowed) {
  for (std::size_t id = 0; id < logits.size() && !allowed.empty(); ++id)
    if (((allowed[id / 64] >> (id % 64)) & 1u) == 0)
      logits[id] = -std::numeric_limits<float>::infinity();
  std::vector<std::size_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), std::size_t{0});
  std::stable_sort(ids.begin(), ids.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (o.temperature == 0.0f) return static_cast<std::int32_t>(ids.front());
  if (o.top_k > 0) ids.resize(std::min(o.top_k, ids.size()));
  std::vector<double> p;
  for (const std::size_t id : ids)
    p.push_back(std::exp((static_cast<double>(logits[id]) - static_cast<double>(logits[ids[0]])) /
                         static_cast<double>(o.temperature)));
  double total = 0.0, sum = 0.0;
  for (const double share : p) total += share;
  std::size_t n = 0;
  while (n < p.size() && (n == 0 || o.top_p >= 1.0f || sum < static_cast<double>(o.top_p) * total))
    sum += p[n++];
  while (n > 1 && (p[n - 1] == 0.0 || p[n - 1] < static_cast<double>(o.min_p))) --n;
  double kept = 0.0;
  for (std::size_t i = 0; i < n; ++i) kept += p[i];
  double target = static_cast<double>(splitmix64_at(o.seed, position) >> 11) * 0x1.0p-53 * kept;
  std::size_t i = 0;
  while (i + 1 < n && (target -= p[i]) >= 0.0) ++i;
  return static_cast<std::int32_t>(ids[i]);
}

TEST(Sampler, ChoosesAsTheDefinitionDoes) {
  RandomStream random(5);
  for (std::uint64_t n = 0; n < 2000; ++n) {
    std::vector<float> logits(1 + random.below(300));
    const float width = random.below(2) == 0 ? 4.0f : 100.0f;
    // Few values, so that there are ties.
    for (float& x : logits) x = width * (static_cast<float>(random.below(41)) / 20.0f - 1.0f);
    SamplingOptions o;
    o.temperature = static_cast<float>(random.below(3));
    if (random.below(3) == 0) o.top_k = 1 + random.below(20);
    if (random.below(3) == 0) o.top_p = 0.7f;
    if (random.below(3) == 0) o.min_p = 0.05f;
    o.seed = n;
    std::vector<std::uint64_t> allowed;
    if (random.below(2) == 0) {
      const std::uint64_t density = random.below(3);  // few, half, most
      for (std::size_t i = 0; i < logits.size() / 64 + 1; ++i) {
        const std::uint64_t a = splitmix64_at(n, 2 * i), b = splitmix64_at(n, 2 * i + 1);
        allowed.push_back(density == 0 ? a & b : density == 1 ? a : a | b);
      }
      allowed[0] |= 1;
    }
    EXPECT_EQ(sample(logits, o, {}, n, allowed).token, plainly(logits, o, n, allowed)) << n;
  }
}

TEST(Sampler, BiasIsAddedBeforeTheChoice) {
  EXPECT_EQ(sample(kLogits, {.logit_bias = {{0, 2.5f}}}, {}, 0).token, 0);
  EXPECT_EQ(sample(kLogits, {.logit_bias = {{1, -100.0f}, {3, -100.0f}}}, {}, 0).token, 2);
}

}  // namespace hadal
