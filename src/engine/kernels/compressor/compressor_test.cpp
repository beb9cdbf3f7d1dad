#include "engine/kernels/compressor/compressor.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Compressor : public VariantTest {};

TEST(CompressorRef, AveragesPresentSlotsByTheSoftmaxOfTheirGates) {
  const std::vector<float> a = {1, 10};
  const std::vector<float> b = {3, 20};
  const std::vector<float> gate_a = {0, 0};
  const std::vector<float> gate_b = {0, std::log(3.0f)};  // per channel: weights 1/2 1/2, 1/4 3/4
  const std::vector<const float*> values = {nullptr, a.data(), b.data()};
  const std::vector<const float*> gates = {nullptr, gate_a.data(), gate_b.data()};
  std::vector<float> out(2, NAN);

  compressor_pool_ref(
      {.values = values, .gates = gates, .n_slots = 3, .out = dense_rows(out.data(), 1, 2)});

  EXPECT_FLOAT_EQ(out[0], 2.0f);
  EXPECT_FLOAT_EQ(out[1], 17.5f);
}

TEST_P(Compressor, MatchesReferenceWithAbsentSlotsAndLargeGates) {
  for (const std::size_t width : {1, 7, 32, 515}) {
    const std::size_t n_slots = 8;
    const std::size_t n = 3;
    const auto value = gaussian_with_outliers(n * n_slots * width, width);
    auto gate = gaussian_with_outliers(n * n_slots * width, width + 1);
    for (float& g : gate) g *= 5.0f;  // outliers reach several hundred
    std::vector<const float*> values;
    std::vector<const float*> gates;
    for (std::size_t s = 0; s < n * n_slots; ++s) {
      const bool absent = s < 4;  // the first window has no predecessor
      values.push_back(absent ? nullptr : &value[s * width]);
      gates.push_back(absent ? nullptr : &gate[s * width]);
    }
    std::vector<float> expected(n * width);
    std::vector<float> actual(n * width, NAN);
    compressor_pool_ref({values, gates, n_slots, dense_rows(expected.data(), n, width)});

    kernels().compressor_pool({values, gates, n_slots, dense_rows(actual.data(), n, width)});

    for (std::size_t i = 0; i < expected.size(); ++i) {
      double largest = 0.0;
      for (std::size_t s = 0; s < n_slots; ++s) {
        const std::size_t slot = i / width * n_slots + s;
        if (slot >= 4)
          largest = std::max<double>(largest, std::fabs(value[slot * width + i % width]));
      }
      // Weights: gate - max is rounded (eps |gate - max| <= 100 eps before the weight vanishes),
      // exp 4 eps, then n_slots additions in numerator and denominator.
      ASSERT_NEAR(actual[i], expected[i], kEps * (2 * 100 + 8 + 2.0 * n_slots) * largest) << i;
    }
  }
}

HADAL_INSTANTIATE_VARIANTS(Compressor);

}  // namespace
}  // namespace hadal
