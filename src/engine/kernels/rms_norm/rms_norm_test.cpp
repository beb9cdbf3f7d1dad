#include "engine/kernels/rms_norm/rms_norm.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class RmsNorm : public VariantTest {};

TEST(RmsNormRef, DividesByTheRootOfMeanSquarePlusEps) {
  const std::vector<float> x = {3, -4};
  const std::vector<float> weight = {2, 1};
  std::vector<float> out(2, NAN);

  rms_norm_ref({.x = dense_rows(x.data(), 1, 2),
                .weight = weight,
                .out = dense_rows(out.data(), 1, 2),
                .eps = 12.5f});

  EXPECT_FLOAT_EQ(out[0], 6.0f / 5.0f);  // mean 12.5 + eps 12.5 = 5^2
  EXPECT_FLOAT_EQ(out[1], -4.0f / 5.0f);
}

TEST_P(RmsNorm, MatchesReferenceOnOddSizesAndOutliers) {
  for (const std::size_t width : {1, 7, 64, 129, 4095}) {
    for (const bool weighted : {true, false}) {
      const auto x = gaussian_with_outliers(3 * width, 7);
      const auto w = gaussian_with_outliers(width, 8);
      const std::span<const float> weight(w.data(), weighted ? width : 0);
      std::vector<float> expected(x.size());
      std::vector<float> actual(x.size(), NAN);
      rms_norm_ref(
          {dense_rows(x.data(), 3, width), weight, dense_rows(expected.data(), 3, width), 1e-6f});

      kernels().rms_norm(
          {dense_rows(x.data(), 3, width), weight, dense_rows(actual.data(), 3, width), 1e-6f});

      // Squares are positive: the sum is right within its number of additions per lane, and the
      // root halves that; then three roundings of factor and products. A subnormal product is off
      // by 2^-150 before it meets a weight of up to 100.
      const double rel = kEps * (static_cast<double>(width) / 64.0 + 12.0);
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], rel * std::fabs(expected[i]) + 0x1p-143)
            << "width=" << width << " i=" << i;
      }
    }
  }
}

TEST_P(RmsNorm, WorksInPlaceAndWithStrides) {
  const auto x = gaussian_with_outliers(2 * 50, 7);
  std::vector<float> dense(2 * 37, NAN);
  kernels().rms_norm(
      {Rows<const float>{x.data(), 2, 37, 50}, {}, dense_rows(dense.data(), 2, 37), 1e-6f});
  std::vector<float> inplace = x;

  const Rows<float> rows{inplace.data(), 2, 37, 50};
  kernels().rms_norm({rows, {}, rows, 1e-6f});

  for (std::size_t t = 0; t < 2; ++t) {
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_EQ(inplace[t * 50 + i], i < 37 ? dense[t * 37 + i] : x[t * 50 + i]);
    }
  }
}

HADAL_INSTANTIATE_VARIANTS(RmsNorm);

}  // namespace
}  // namespace hadal
