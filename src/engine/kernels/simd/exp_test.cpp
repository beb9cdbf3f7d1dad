#include "engine/kernels/simd/exp_variants.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <bit>

namespace hadal {
namespace {

using namespace testing;

class Exp : public VariantTest {
 protected:
  std::vector<float> operator()(const std::vector<float>& x) const {
    std::vector<float> out(x.size(), NAN);
    (kernels().name == "avx2" ? exp_avx2 : exp_avx512)(x.data(), x.size(), out.data());
    return out;
  }
};

/// Distance of `actual` from the exact value in units of the last place of the correct result.
double ulps(float actual, double exact) {
  const auto rounded = static_cast<float>(exact);
  const double ulp = double{std::nextafter(rounded, INFINITY)} - double{rounded};
  return std::fabs(double{actual} - exact) / ulp;
}

TEST_P(Exp, IsWithinTwoUlpFromSubnormalToOverflow) {
  std::vector<float> x;
  for (double v = -104.0; v < 88.7; v += 0.00037) x.push_back(static_cast<float>(v));
  const auto y = (*this)(x);
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], std::exp(double{x[i]}));
    worst = std::max(worst, error);
    ASSERT_LE(error, 2.0) << "exp(" << x[i] << ") = " << y[i];
  }
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST_P(Exp, HandlesTheEdges) {
  const auto y = (*this)({0.0f, -0.0f, -INFINITY, INFINITY, NAN, -200.0f, 89.0f, -1e30f, 1e30f});
  EXPECT_EQ(y[0], 1.0f);
  EXPECT_EQ(y[1], 1.0f);
  EXPECT_EQ(y[2], 0.0f);
  EXPECT_EQ(y[3], INFINITY);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(y[5], 0.0f);
  EXPECT_EQ(y[6], INFINITY);
  EXPECT_EQ(y[7], 0.0f);
  EXPECT_EQ(y[8], INFINITY);
}

HADAL_INSTANTIATE_VARIANTS(Exp);

}  // namespace
}  // namespace hadal
