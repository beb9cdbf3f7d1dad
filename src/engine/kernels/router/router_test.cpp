#include "engine/kernels/router/router.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace hadal {
namespace {

struct Choice {
  std::vector<std::int32_t> experts;
  std::vector<float> weights;
};

Choice route(const std::vector<float>& logits, const std::vector<float>& bias, std::size_t k,
             RouterScore score = RouterScore::sqrtsoftplus, float scaling = 1.0f) {
  Choice choice{std::vector<std::int32_t>(k, -1), std::vector<float>(k, NAN)};
  router_ref({.logits = dense_rows(logits.data(), 1, logits.size()),
              .bias = bias,
              .score = score,
              .experts_given = false,
              .scaling = scaling,
              .experts = dense_rows(choice.experts.data(), 1, k),
              .weights = dense_rows(choice.weights.data(), 1, k)});
  return choice;
}

double sqrt_softplus(double v) {
  return std::sqrt(std::log(1.0 + std::exp(v)));
}

TEST(RouterRef, NormalisesAndScalesTheScoresOfTheChosen) {
  const Choice c = route({0, 2, 1, -1}, {}, 2, RouterScore::sqrtsoftplus, 2.5f);
  const double s1 = sqrt_softplus(2);
  const double s2 = sqrt_softplus(1);
  EXPECT_EQ(c.experts, (std::vector<std::int32_t>{1, 2}));
  EXPECT_FLOAT_EQ(c.weights[0], static_cast<float>(2.5 * s1 / (s1 + s2)));
  EXPECT_FLOAT_EQ(c.weights[1], static_cast<float>(2.5 * s2 / (s1 + s2)));
}

TEST(RouterRef, UsesTheBiasForTheChoiceOnly) {
  const Choice c = route({0, 2, 1, -1}, {0, 0, -9, 9}, 2);
  const double s3 = sqrt_softplus(-1);
  const double s1 = sqrt_softplus(2);
  EXPECT_EQ(c.experts, (std::vector<std::int32_t>{3, 1}));  // falling s + bias
  EXPECT_FLOAT_EQ(c.weights[0], static_cast<float>(s3 / (s3 + s1)));
}

TEST(RouterRef, PrefersTheLowerExpertOnTies) {
  EXPECT_EQ(route({1, 1, 1, 1, 2}, {}, 3).experts, (std::vector<std::int32_t>{4, 0, 1}));
}

TEST(RouterRef, KeepsGivenExpertsAndCountsRepeatsTwice) {
  const std::vector<float> logits = {0, 1, 2};
  std::vector<std::int32_t> experts = {2, 0, 2};
  std::vector<float> weights(3, NAN);
  const std::vector<float> bias = {9, 9, 9};  // unused by hash layers

  router_ref({.logits = dense_rows(logits.data(), 1, 3),
              .bias = bias,
              .score = RouterScore::sqrtsoftplus,
              .experts_given = true,
              .scaling = 1.0f,
              .experts = dense_rows(experts.data(), 1, 3),
              .weights = dense_rows(weights.data(), 1, 3)});

  EXPECT_EQ(experts, (std::vector<std::int32_t>{2, 0, 2}));
  const double sum = 2 * sqrt_softplus(2) + sqrt_softplus(0);
  EXPECT_FLOAT_EQ(weights[0], static_cast<float>(sqrt_softplus(2) / sum));
  EXPECT_FLOAT_EQ(weights[1], static_cast<float>(sqrt_softplus(0) / sum));
  EXPECT_EQ(weights[2], weights[0]);
}

TEST(RouterRef, SurvivesExtremeLogits) {
  const Choice c = route({1000, -1000, 500}, {}, 2);
  EXPECT_EQ(c.experts, (std::vector<std::int32_t>{0, 2}));
  EXPECT_FLOAT_EQ(c.weights[0],
                  static_cast<float>(std::sqrt(1000.0) / (std::sqrt(1000.0) + std::sqrt(500.0))));
  const Choice tiny = route({-1000, -1000}, {}, 1);  // softplus is 0: 0 / (0 + 1e-20)
  EXPECT_EQ(tiny.weights[0], 0.0f);
}

TEST(RouterRef, KnowsTheOtherScoringFunctions) {
  const Choice sigmoid = route({0, std::log(3.0f)}, {}, 2, RouterScore::sigmoid);
  EXPECT_FLOAT_EQ(sigmoid.weights[0], 0.75f / 1.25f);
  const Choice softmax = route({0, std::log(3.0f), -100}, {}, 2, RouterScore::softmax);
  EXPECT_FLOAT_EQ(softmax.weights[0], 0.75f);
}

TEST(RouterRef, PutsNanLast) {
  EXPECT_EQ(route({NAN, 1, 2}, {}, 3).experts, (std::vector<std::int32_t>{2, 1, 0}));
}

}  // namespace
}  // namespace hadal
