#include "engine/kernels/range_attention/range_attention.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class RangeAttention : public VariantTest {};

/// Rows in pages of `rows_per_page`.
struct Pages {
  std::vector<float> data;
  std::vector<const float*> pointers;
  PagedRows view;

  Pages(std::vector<float> values, std::size_t width, std::size_t rows_per_page)
      : data(std::move(values)) {
    const std::size_t n = data.size() / width;
    for (std::size_t i = 0; i < n; i += rows_per_page) pointers.push_back(&data[i * width]);
    view = {pointers.data(), rows_per_page, n, width};
  }
};

TEST(RangeAttentionRef, WeighsValuesBySoftmaxWithTheSinkInTheDenominator) {
  // One head of width 2; rows: key, value. The middle row is not visible.
  const Pages rows({1, 0, 10, 20, 9, 9, 99, 99, 0, 2, 30, 40}, 4, 2);
  const std::vector<float> q = {2, 3};  // scores 2 and 6, times scale 0.5: 1 and 3
  const std::vector<float> sinks = {2};
  const RowRange first{0, 1};
  const VisibleRanges visible{.before = {&first, 1}, .last = {2, 3}};
  std::vector<float> out(2, NAN);

  range_attention_ref({.q = dense_rows(q.data(), 1, 2),
                       .n_heads = 1,
                       .n_kv_heads = 1,
                       .head_dim = 2,
                       .rows = rows.view,
                       .visible = {&visible, 1},
                       .sinks = sinks,
                       .scale = 0.5f,
                       .out = dense_rows(out.data(), 1, 2)});

  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(2.0);  // the sink is not scaled
  EXPECT_FLOAT_EQ(out[0], static_cast<float>((10 * std::exp(1.0) + 30 * std::exp(3.0)) / sum));
  EXPECT_FLOAT_EQ(out[1], static_cast<float>((20 * std::exp(1.0) + 40 * std::exp(3.0)) / sum));
}

TEST(RangeAttentionRef, GivesZeroWhenNothingIsVisible) {
  const Pages rows({1, 5}, 2, 1);
  const std::vector<float> one = {1};
  const VisibleRanges nothing{.before = {}, .last = {1, 1}};
  std::vector<float> out(1, NAN);

  range_attention_ref({.q = dense_rows(one.data(), 1, 1),
                       .n_heads = 1,
                       .n_kv_heads = 1,
                       .head_dim = 1,
                       .rows = rows.view,
                       .visible = {&nothing, 1},
                       .sinks = one,
                       .scale = 1.0f,
                       .out = dense_rows(out.data(), 1, 1)});

  EXPECT_EQ(out[0], 0.0f);
}

TEST(RangeAttentionRef, GroupsOfQueryHeadsShareAKeyHead) {
  // Two key heads of width 1, values 10 and 20; four query heads. One row: weight 1 / (1 + e^sink).
  const Pages rows({0, 0, 10, 20}, 4, 1);
  const std::vector<float> zeros(4);
  const VisibleRanges visible{.before = {}, .last = {0, 1}};
  std::vector<float> out(4, NAN);

  range_attention_ref({.q = dense_rows(zeros.data(), 1, 4),
                       .n_heads = 4,
                       .n_kv_heads = 2,
                       .head_dim = 1,
                       .rows = rows.view,
                       .visible = {&visible, 1},
                       .sinks = zeros,
                       .scale = 1.0f,
                       .out = dense_rows(out.data(), 1, 4)});

  EXPECT_EQ(out, (std::vector<float>{5, 5, 10, 10}));
}

TEST_P(RangeAttention, MatchesReferenceForAnyRangesAndGroups) {
  const std::vector<std::vector<RowRange>> patterns = {
      {{0, 1}}, {{3, 4}, {6, 11}}, {{0, 40}, {64, 65}, {99, 201}}, {{200, 201}}};
  for (const auto& [n_heads, n_kv_heads] :
       {std::pair<std::size_t, std::size_t>{1, 1}, {6, 6}, {6, 2}, {5, 1}, {28, 2}}) {
    for (const std::size_t head_dim : {1, 8, 33, 100}) {
      const std::size_t width = 2 * n_kv_heads * head_dim;
      const Pages rows(gaussian_with_outliers(201 * width, 1), width, 32);
      for (const auto& ranges : patterns) {
        const VisibleRanges visible{.before = {ranges.data(), ranges.size() - 1},
                                    .last = ranges.back()};
        const std::size_t n_keys = visible.size();
        const auto q = gaussian_with_outliers(n_heads * head_dim, 2);
        const auto sinks = gaussian_with_outliers(n_heads, 3);
        std::vector<float> expected(q.size(), NAN);
        const RangeAttentionArgs args{.q = dense_rows(q.data(), 1, q.size()),
                                      .n_heads = n_heads,
                                      .n_kv_heads = n_kv_heads,
                                      .head_dim = head_dim,
                                      .rows = rows.view,
                                      .visible = {&visible, 1},
                                      .sinks = sinks,
                                      .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                                      .out = dense_rows(expected.data(), 1, q.size())};
        range_attention_ref(args);

        const std::size_t group = n_heads / n_kv_heads;
        for (std::size_t h = 0; h < n_heads; ++h) {
          std::vector<const float*> keys(n_keys);
          gather_range_keys(args, 0, h / group, keys.data());
          std::vector<float> scratch(kernels().attention->scratch_floats(1, head_dim, n_keys), NAN);
          std::vector<float> actual(head_dim, NAN);
          kernels().attention->heads({.keys = keys.data(),
                                      .value_offset = range_value_offset(args),
                                      .n_keys = n_keys,
                                      .n_heads = 1,
                                      .head_dim = head_dim,
                                      .q = &q[h * head_dim],
                                      .sinks = &sinks[h],
                                      .scale = args.scale,
                                      .out = actual.data(),
                                      .scratch = scratch.data()});

          // As attention_test: a score is off by at most `shift`, a weight by e^(+-2 shift); then
          // exp, sums over keys, division.
          double shift = 0.0;
          for (const float* key : keys) {
            const double size = absolute_dot(&q[h * head_dim], key, head_dim) * double{args.scale};
            shift = std::max(shift, dot_error(head_dim) * size + 2 * kEps * size);
          }
          const double rel = 2 * shift + kEps * (4 + 128 + 8 + static_cast<double>(n_keys) / 8.0);
          for (std::size_t i = 0; i < head_dim; ++i) {
            double largest = 0.0;
            for (const float* key : keys)
              largest = std::max<double>(largest, std::fabs(key[range_value_offset(args) + i]));
            ASSERT_NEAR(actual[i], expected[h * head_dim + i], rel * largest + 0x1p-140)
                << n_heads << " heads over " << n_kv_heads << " x " << head_dim << ", " << n_keys
                << " keys, h=" << h << " i=" << i;
          }
        }
      }
    }
  }
}

HADAL_INSTANTIATE_VARIANTS(RangeAttention);

}  // namespace
}  // namespace hadal
