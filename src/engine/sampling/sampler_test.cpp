#include "engine/sampling/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

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

TEST(Sampler, BiasIsAddedBeforeTheChoice) {
  EXPECT_EQ(sample(kLogits, {.logit_bias = {{0, 2.5f}}}, {}, 0).token, 0);
  EXPECT_EQ(sample(kLogits, {.logit_bias = {{1, -100.0f}, {3, -100.0f}}}, {}, 0).token, 2);
}

}  // namespace hadal
