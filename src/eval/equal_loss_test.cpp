#include "eval/equal_loss.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace hadal::eval {
namespace {

constexpr std::array<CostPoint, 3> kDense = {{{4e6, 1.0}, {1e6, 2.0}, {2e6, 1.5}}};

TEST(CostAtLoss, IsLinearInTheLogarithmOfTheCost) {
  // loss = 2 - 0.5 log2(FLOPs / 1e6) at the points: half-way in loss is the geometric mean in cost.
  EXPECT_NEAR(*cost_at_loss(kDense, 1.75), 1e6 * std::sqrt(2.0), 1e-3);
  EXPECT_NEAR(*cost_at_loss(kDense, 1.25), 2e6 * std::sqrt(2.0), 1e-3);
}

TEST(CostAtLoss, MeetsThePoints) {
  EXPECT_DOUBLE_EQ(*cost_at_loss(kDense, 2.0), 1e6);
  EXPECT_NEAR(*cost_at_loss(kDense, 1.0), 4e6, 1e-3);
}

TEST(CostAtLoss, TakesTheFirstCrossingOfANoisyCurve) {
  constexpr std::array<CostPoint, 4> noisy = {{{1e6, 2.0}, {2e6, 1.4}, {4e6, 1.6}, {8e6, 1.0}}};

  EXPECT_NEAR(*cost_at_loss(noisy, 1.5), 1e6 * std::pow(2.0, 0.5 / 0.6), 1e-3);
}

TEST(CostAtLoss, DoesNotExtrapolate) {
  EXPECT_FALSE(cost_at_loss(kDense, 0.9));
  EXPECT_FALSE(cost_at_loss(kDense, 2.1));
  EXPECT_FALSE(cost_at_loss(std::span(kDense).first(1), 1.0));
  EXPECT_NE(cost_at_loss(kDense, 0.9).error().message.find("outside"), std::string::npos);
}

}  // namespace
}  // namespace hadal::eval
