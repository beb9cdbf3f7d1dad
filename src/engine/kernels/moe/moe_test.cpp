#include "engine/kernels/moe/moe.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Moe : public VariantTest {};

/// Width 1 everywhere: E(x) = w2 silu(min(w1 x, L)) clamp(w3 x, -L, L).
struct ScalarExpert {
  std::vector<float> w;
  ExpertWeights weights;

  ScalarExpert(float w1, float w3, float w2) : w{w1, w3, w2} {
    weights = {view(0), view(1), view(2)};
  }
  MatrixView view(std::size_t i) const {
    return {.data = reinterpret_cast<const std::byte*>(w.data() + i),
            .rows = 1,
            .cols = 1,
            .row_stride = 4};
  }
  double operator()(double x, double limit) const {
    const double gate = std::min(double{w[0]} * x, limit);
    const double up = std::max(-limit, std::min(limit, double{w[1]} * x));
    return double{w[2]} * gate / (1.0 + std::exp(-gate)) * up;
  }
};

TEST(MoeRef, AddsWeightedExpertsAndTheClampedSharedExpert) {
  const ScalarExpert a(1, 2, 3);
  const ScalarExpert b(-1, 0.5f, 2);
  const ScalarExpert shared(5, 5, 1);
  const std::vector<ExpertWeights> experts = {a.weights, b.weights};
  const std::vector<float> x = {1, -2};
  const std::vector<std::int32_t> ids = {1, 0, 0, 0};  // the second token has expert 0 twice
  const std::vector<float> weights = {0.25f, 0.75f, 0.5f, 2};
  std::vector<float> y(2, NAN);

  moe_ref({.x = dense_rows(x.data(), 2, 1),
           .experts = experts,
           .shared = &shared.weights,
           .expert_ids = dense_rows(ids.data(), 2, 2),
           .expert_weights = dense_rows(weights.data(), 2, 2),
           .swiglu_limit = 3.0f,
           .fake_quant_activations = false,
           .y = dense_rows(y.data(), 2, 1)});

  EXPECT_NEAR(y[0], 0.25 * b(1, 3) + 0.75 * a(1, 3) + shared(1, 3), 1e-5);
  EXPECT_NEAR(y[1], 2.5 * a(-2, 3) + shared(-2, 3), 1e-5);
}

TEST(MoeRef, QuantisesActivationsOfNarrowWeightsOnly) {
  // x = 1.03 becomes e4m3 1.0 (scale 2^-8: 263.7 -> 256) before an fp8 product and stays before
  // f32.
  const std::vector<std::byte> one = {std::byte{0x38}};
  const MatrixView fp8 = {
      .dtype = DType::f8_e4m3, .data = one.data(), .rows = 1, .cols = 1, .row_stride = 1};
  const ScalarExpert plain(1, 1, 1);
  const std::vector<float> x = {1.03f};
  const std::vector<std::int32_t> ids = {0};
  const std::vector<float> weights = {1};
  const auto run = [&](const ExpertWeights& expert) {
    const std::vector<ExpertWeights> experts = {expert};
    float y = NAN;
    moe_ref({.x = dense_rows(x.data(), 1, 1),
             .experts = experts,
             .shared = nullptr,
             .expert_ids = dense_rows(ids.data(), 1, 1),
             .expert_weights = dense_rows(weights.data(), 1, 1),
             .swiglu_limit = 0.0f,
             .fake_quant_activations = true,
             .y = dense_rows(&y, 1, 1)});
    return y;
  };

  EXPECT_NEAR(run(plain.weights), plain(1.03f, 100), 1e-6);
  EXPECT_NEAR(run({fp8, fp8, plain.weights.w2}), plain(1.0, 100), 1e-6);
}

TEST_P(Moe, CombinesOutputsInOrder) {
  const std::size_t n = 7;
  const std::size_t d = 77;
  const auto values = gaussian_with_outliers(n * d, 1);
  const auto weights = gaussian_with_outliers(n, 2);
  std::vector<const float*> outputs;
  for (std::size_t s = 0; s < n; ++s) outputs.push_back(&values[s * d]);
  std::vector<float> y(d, NAN);

  kernels().moe->combine(outputs.data(), weights.data(), n, 0, d, y.data());

  for (std::size_t i = 0; i < d; ++i) {
    float expected = 0.0f;
    for (std::size_t s = 0; s < n; ++s) expected = std::fma(weights[s], outputs[s][i], expected);
    ASSERT_EQ(y[i], expected) << i;
  }
}

HADAL_INSTANTIATE_VARIANTS(Moe);

}  // namespace
}  // namespace hadal
