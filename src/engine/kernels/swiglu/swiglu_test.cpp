#include "engine/kernels/swiglu/swiglu.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Swiglu : public VariantTest {};

double silu(double v) {
  return v / (1.0 + std::exp(-v));
}

TEST(SwigluRef, ClampsTheGateFromAboveOnlyAndTheUpFromBothSides) {
  const std::vector<float> gate = {1, 5, -5, 1, 1};
  const std::vector<float> up = {1, 1, 1, 5, -5};
  std::vector<float> out(5, NAN);

  swiglu_ref({.gate = dense_rows(gate.data(), 1, 5),
              .up = dense_rows(up.data(), 1, 5),
              .limit = 2.0f,
              .out = dense_rows(out.data(), 1, 5)});

  EXPECT_FLOAT_EQ(out[0], static_cast<float>(silu(1)));
  EXPECT_FLOAT_EQ(out[1], static_cast<float>(silu(2)));
  EXPECT_FLOAT_EQ(out[2], static_cast<float>(silu(-5)));
  EXPECT_FLOAT_EQ(out[3], static_cast<float>(2 * silu(1)));
  EXPECT_FLOAT_EQ(out[4], static_cast<float>(-2 * silu(1)));
}

TEST_P(Swiglu, MatchesReferenceWithAndWithoutLimit) {
  for (const std::size_t width : {1, 7, 16, 333}) {
    for (const float limit : {0.0f, -1.0f, 0.5f, 10.0f}) {
      auto gate = gaussian_with_outliers(2 * width, width);
      const auto up = gaussian_with_outliers(2 * width, width + 1);
      gate[0] = -200.0f;  // e^200 overflows: silu is 0
      gate[width] = 200.0f;
      std::vector<float> expected(gate.size());
      std::vector<float> actual(gate.size(), NAN);
      const auto rows = [&](auto& v) { return dense_rows(v.data(), 2, width); };
      swiglu_ref({rows(gate), rows(up), limit, rows(expected)});

      kernels().swiglu({rows(gate), rows(up), limit, rows(actual)});

      for (std::size_t i = 0; i < gate.size(); ++i) {
        // exp within 2 ulp (4 eps), the argument exact, then three roundings; where e^-v is large
        // its error is the quotient's. Results below 2^-126 lose bits to underflow.
        const double bound = 8 * kEps * std::fabs(expected[i]) + 0x1p-120;
        ASSERT_NEAR(actual[i], expected[i], bound) << "gate " << gate[i] << " up " << up[i];
      }
    }
  }
}

TEST_P(Swiglu, MayWriteOverTheGate) {
  auto gate = gaussian_with_outliers(50, 1);
  const auto up = gaussian_with_outliers(50, 2);
  std::vector<float> expected(50, NAN);
  kernels().swiglu({dense_rows(gate.data(), 1, 50), dense_rows(up.data(), 1, 50), 1.0f,
                    dense_rows(expected.data(), 1, 50)});

  kernels().swiglu({dense_rows(gate.data(), 1, 50), dense_rows(up.data(), 1, 50), 1.0f,
                    dense_rows(gate.data(), 1, 50)});

  EXPECT_EQ(gate, expected);
}

HADAL_INSTANTIATE_VARIANTS(Swiglu);

}  // namespace
}  // namespace hadal
