#include "engine/kernels/rope/rope.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Rope : public VariantTest {};

TEST(RopeRef, RotatesInterleavedPairsOfTheLastChannels) {
  std::vector<float> x = {5, 1, 0, 0, 2};  // one head of 5, rope on the last 4
  const std::vector<std::int64_t> positions = {3};
  const std::vector<float> freq = {0.5f, 0.25f};

  rope_ref({.x = dense_rows(x.data(), 1, 5),
            .n_heads = 1,
            .head_dim = 5,
            .positions = positions,
            .freq = freq});

  EXPECT_EQ(x[0], 5.0f);
  EXPECT_FLOAT_EQ(x[1], std::cos(1.5f));
  EXPECT_FLOAT_EQ(x[2], std::sin(1.5f));
  EXPECT_FLOAT_EQ(x[3], -2.0f * std::sin(0.75f));
  EXPECT_FLOAT_EQ(x[4], 2.0f * std::cos(0.75f));
}

TEST(RopeRef, RotatesPairsThatStandHalfTheChannelsApart) {
  std::vector<float> x = {5, 1, 0, 0, 2};  // one head of 5: pairs (1, 0) and (0, 2)
  const std::vector<std::int64_t> positions = {3};
  const std::vector<float> freq = {0.5f, 0.25f};

  rope_ref({.x = dense_rows(x.data(), 1, 5),
            .n_heads = 1,
            .head_dim = 5,
            .positions = positions,
            .freq = freq,
            .pairs = RopePairs::halves});

  EXPECT_EQ(x[0], 5.0f);
  EXPECT_FLOAT_EQ(x[1], std::cos(1.5f));
  EXPECT_FLOAT_EQ(x[3], std::sin(1.5f));
  EXPECT_FLOAT_EQ(x[2], -2.0f * std::sin(0.75f));
  EXPECT_FLOAT_EQ(x[4], 2.0f * std::cos(0.75f));
}

TEST(RopeRef, FormsAnglesInSinglePrecision) {
  // Near 7e5 single precision angles are 1/16 apart; an exact product would give another cosine.
  std::vector<float> x = {1, 0};
  const std::vector<std::int64_t> positions = {999'999};
  const std::vector<float> freq = {0.68765602f};
  const float angle = 999'999.0f * 0.68765602f;

  rope_ref({.x = dense_rows(x.data(), 1, 2),
            .n_heads = 1,
            .head_dim = 2,
            .positions = positions,
            .freq = freq});

  EXPECT_NEAR(x[0], std::cos(static_cast<double>(angle)), 2 * kEps);
  EXPECT_NEAR(x[1], std::sin(static_cast<double>(angle)), 2 * kEps);
}

TEST_P(Rope, MatchesReferenceInBothDirectionsAndPairings) {
  const std::vector<std::int64_t> positions = {0, 1, 65'535, 1'000'000};
  for (const std::size_t n_pairs : {1, 3, 4, 32, 67}) {
    for (const auto& [direction, pairs] :
         {std::pair(RopeDirection::forward, RopePairs::interleaved),
          std::pair(RopeDirection::inverse, RopePairs::interleaved),
          std::pair(RopeDirection::forward, RopePairs::halves),
          std::pair(RopeDirection::inverse, RopePairs::halves)}) {
      const std::size_t head_dim = 2 * n_pairs + 5;
      const std::size_t width = 3 * head_dim;
      std::vector<float> freq(n_pairs);
      for (std::size_t i = 0; i < n_pairs; ++i) freq[i] = std::pow(0.9f, static_cast<float>(i));
      const auto x = gaussian_with_outliers(4 * width, n_pairs);
      auto expected = x;
      auto actual = x;
      rope_ref(
          {dense_rows(expected.data(), 4, width), 3, head_dim, positions, freq, direction, pairs});

      kernels().rope(
          {dense_rows(actual.data(), 4, width), 3, head_dim, positions, freq, direction, pairs});

      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t channel = i % head_dim;
        if (channel < 5) {
          ASSERT_EQ(actual[i], x[i]);  // outside of the rope channels
          continue;
        }
        // a cos - b sin: two products and a sum, each rounded once.
        const bool halves = pairs == RopePairs::halves;
        const std::size_t apart = halves ? n_pairs : 1;
        const bool is_first = halves ? channel - 5 < n_pairs : (channel - 5) % 2 == 0;
        const std::size_t partner = is_first ? i + apart : i - apart;
        const double bound = 2 * kEps * (std::fabs(x[i]) + std::fabs(x[partner])) + 0x1p-148;
        ASSERT_NEAR(actual[i], expected[i], bound) << n_pairs << " pairs, i=" << i;
      }
    }
  }
}

TEST_P(Rope, InverseUndoesForward) {
  const auto x = gaussian_with_outliers(2 * 24, 1);
  const std::vector<std::int64_t> positions = {17, 123'456};
  const std::vector<float> freq = {1.0f, 0.1f, 0.01f, 0.001f};
  auto y = x;

  RopeArgs args{dense_rows(y.data(), 2, 24), 2, 12, positions, freq, RopeDirection::forward};
  kernels().rope(args);
  EXPECT_NE(y, x);
  args.direction = RopeDirection::inverse;
  kernels().rope(args);

  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t pair = i / 2 * 2;
    const double size = std::fabs(x[pair]) + std::fabs(x[pair + 1]);
    EXPECT_NEAR(y[i], x[i], 10 * kEps * size) << i;  // two rotations, cos^2 + sin^2 = 1 + 4 eps
  }
}

HADAL_INSTANTIATE_VARIANTS(Rope);

}  // namespace
}  // namespace hadal
