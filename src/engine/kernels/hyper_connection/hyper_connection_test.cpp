#include "engine/kernels/hyper_connection/hyper_connection.h"

#include "engine/kernels/hyper_connection/coefficients.h"
#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class HyperConnection : public VariantTest {};

/// Value k of tensor `name`, deepseek-v4.md appendix A.1.
float appendix_value(std::string_view name, std::uint64_t k, std::size_t last_dim) {
  const double r = 2.0 * static_cast<double>(splitmix64_at(fnv1a64(name), k) >> 40) * 0x1p-24 - 1.0;
  if (name.ends_with("_scale")) return static_cast<float>(1.0 + 0.25 * r);
  if (name.ends_with("_base")) return static_cast<float>(0.7 * r);
  return static_cast<float>(r * 2.5 / std::sqrt(static_cast<double>(last_dim)));
}

std::vector<float> appendix_tensor(std::string_view name, std::size_t n, std::size_t last_dim) {
  std::vector<float> values(n);
  for (std::size_t k = 0; k < n; ++k) values[k] = appendix_value(name, k, last_dim);
  return values;
}

MatrixView view_of(const std::vector<float>& values, std::size_t rows, std::size_t cols) {
  return {.data = reinterpret_cast<const std::byte*>(values.data()),
          .rows = rows,
          .cols = cols,
          .row_stride = cols * sizeof(float)};
}

TEST(HyperConnectionRef, ReadGivesTheIntermediatesOfAppendixA2) {
  const auto embed = appendix_tensor("embed.weight", 50 * 32, 32);
  const auto fn = appendix_tensor("layers.0.hc_attn_fn", 24 * 128, 128);
  const auto base = appendix_tensor("layers.0.hc_attn_base", 24, 24);
  const auto scale = appendix_tensor("layers.0.hc_attn_scale", 3, 3);
  std::vector<float> streams;
  for (int j = 0; j < 4; ++j) streams.insert(streams.end(), &embed[11 * 32], &embed[12 * 32]);
  std::vector<float> hidden(32);
  std::vector<float> post(4);
  std::vector<float> comb(16);

  hyper_connection_read_ref({.streams = dense_rows<const float>(streams.data(), 1, 128),
                             .hc_mult = 4,
                             .weights = {view_of(fn, 24, 128), base, scale},
                             .sinkhorn_iters = 20,
                             .rms_norm_eps = 1e-5f,
                             .hc_eps = 1e-3f,
                             .hidden = dense_rows(hidden.data(), 1, 32),
                             .post = dense_rows(post.data(), 1, 4),
                             .comb = dense_rows(comb.data(), 1, 16)});

  const double expected_post[] = {0.827067, 0.806801, 0.296132, 1.281317};
  const double expected_comb[] = {0.095559, 0.419934, 0.107539, 0.375968, 0.130129, 0.246977,
                                  0.340950, 0.280945, 0.720363, 0.055168, 0.116264, 0.107206,
                                  0.052950, 0.276922, 0.434247, 0.234881};
  const double expected_hidden[] = {-0.905769, 0.310418, -0.475449, 0.574178};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(post[i], expected_post[i], 1e-6);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_NEAR(comb[i], expected_comb[i], 1e-6) << i;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(hidden[i], expected_hidden[i], 1e-6);
}

TEST(HyperConnectionRef, WriteSumsOverTheFirstIndexOfC) {
  std::vector<float> streams = {1, 10};  // two streams of width 1
  const std::vector<float> update = {100};
  const std::vector<float> post = {1, 2};
  const std::vector<float> comb = {0.5f, 0.25f, 0.125f, 3};  // C[0][0] C[0][1] C[1][0] C[1][1]

  hyper_connection_write_ref({.update = dense_rows(update.data(), 1, 1),
                              .post = dense_rows(post.data(), 1, 2),
                              .comb = dense_rows(comb.data(), 1, 4),
                              .hc_mult = 2,
                              .streams = dense_rows(streams.data(), 1, 2)});

  EXPECT_EQ(streams[0], 100 + 0.5f * 1 + 0.125f * 10);
  EXPECT_EQ(streams[1], 200 + 0.25f * 1 + 3 * 10);
}

TEST(HyperConnectionRef, OneSinkhornIterationNormalisesColumnsOnly) {
  const std::size_t n = 3;
  std::vector<float> post(n);
  std::vector<float> comb(n * n);
  const std::vector<float> base(15, 0.0f);
  const std::vector<float> scale = {1, 1, 1};
  std::vector<double> t(15, 0.0);
  t[2 * n] = std::log(2.0);  // row 0 of the softmax: 1/2 1/4 1/4; others 1/3
  std::vector<double> pre(n);

  hyper_connection_coefficients({.streams = {},
                                 .hc_mult = n,
                                 .weights = {{}, base, scale},
                                 .sinkhorn_iters = 1,
                                 .rms_norm_eps = 0,
                                 .hc_eps = 0.5f,
                                 .hidden = {},
                                 .post = dense_rows(post.data(), 1, n),
                                 .comb = dense_rows(comb.data(), 1, n * n)},
                                0, t.data(), pre);

  EXPECT_DOUBLE_EQ(pre[0], 1.0);  // sigmoid(0) + eps
  EXPECT_EQ(post[0], 1.0f);       // 2 sigmoid(0), no eps
  const double column = (0.5 + 0.5) + 2 * (1.0 / 3 + 0.5) + 0.5;
  EXPECT_NEAR(comb[0], 1.0 / column, 1e-7);
  EXPECT_NEAR(comb[3], (1.0 / 3 + 0.5) / column, 1e-7);
}

TEST(HyperConnectionRef, HeadWeighsStreamsBySigmoidPlusEps) {
  const std::vector<float> streams = {1, 2, 3, 4};  // two streams of width 2
  const std::vector<float> fn(8, 0.0f);
  const std::vector<float> base = {0, std::log(3.0f)};  // sigmoids 1/2, 3/4
  std::vector<float> hidden(2);

  hyper_connection_head_ref({.streams = dense_rows(streams.data(), 1, 4),
                             .hc_mult = 2,
                             .fn = view_of(fn, 2, 4),
                             .base = base,
                             .scale = 1.0f,
                             .rms_norm_eps = 1e-6f,
                             .hc_eps = 0.25f,
                             .hidden = dense_rows(hidden.data(), 1, 2)});

  EXPECT_FLOAT_EQ(hidden[0], 0.75f * 1 + 1.0f * 3);
  EXPECT_FLOAT_EQ(hidden[1], 0.75f * 2 + 1.0f * 4);
}

TEST_P(HyperConnection, CollapsesAnyNumberOfStreams) {
  for (const std::size_t n : {1, 2, 4, 7}) {
    for (const std::size_t d : {1, 33, 128}) {
      const auto x = gaussian_with_outliers(n * d, d);
      const auto pre = gaussian_with_outliers(n, d + 1);
      std::vector<float> hidden(d, NAN);
      kernels().hyper_connection->collapse(x.data(), pre.data(), n, d, hidden.data());
      for (std::size_t i = 0; i < d; ++i) {
        double expected = 0.0;
        double size = 0.0;
        for (std::size_t j = 0; j < n; ++j) {
          expected += double{pre[j]} * double{x[j * d + i]};
          size += std::fabs(double{pre[j]} * double{x[j * d + i]});
        }
        ASSERT_NEAR(hidden[i], expected, static_cast<double>(n) * kEps * size + 0x1p-148);
      }
    }
  }
}

TEST_P(HyperConnection, WriteMatchesReference) {
  for (const std::size_t n : {1, 2, 4, 7, 16}) {
    for (const std::size_t d : {1, 33, 128}) {
      const auto update = gaussian_with_outliers(2 * d, 1);
      const auto post = gaussian_with_outliers(2 * n, 2);
      const auto comb = gaussian_with_outliers(2 * n * n, 3);
      const auto old = gaussian_with_outliers(2 * n * d, 4);
      auto expected = old;
      auto actual = old;
      HyperConnectionWriteArgs args{.update = dense_rows(update.data(), 2, d),
                                    .post = dense_rows(post.data(), 2, n),
                                    .comb = dense_rows(comb.data(), 2, n * n),
                                    .hc_mult = n,
                                    .streams = dense_rows(expected.data(), 2, n * d)};
      hyper_connection_write_ref(args);
      args.streams = dense_rows(actual.data(), 2, n * d);

      kernels().hyper_connection->write(args);

      for (std::size_t i = 0; i < old.size(); ++i) {
        const std::size_t t = i / (n * d);
        const std::size_t k = i / d % n;
        double size = std::fabs(double{post[t * n + k]} * double{update[t * d + i % d]});
        for (std::size_t j = 0; j < n; ++j) {
          size +=
              std::fabs(double{comb[t * n * n + j * n + k]} * double{old[(t * n + j) * d + i % d]});
        }
        ASSERT_NEAR(actual[i], expected[i], static_cast<double>(n + 2) * kEps * size + 0x1p-148)
            << "n=" << n << " d=" << d << " i=" << i;
      }
    }
  }
}

TEST_P(HyperConnection, SumsSquares) {
  for (const std::size_t n : {1, 15, 64, 65, 1000}) {
    const auto x = gaussian_with_outliers(n, n);
    const double expected = absolute_dot(x.data(), x.data(), n);
    EXPECT_NEAR(kernels().hyper_connection->sum_of_squares(x.data(), n), expected,
                kEps * (static_cast<double>(n) / 32.0 + 8.0) * expected);
  }
}

HADAL_INSTANTIATE_VARIANTS(HyperConnection);

}  // namespace
}  // namespace hadal
