#include "engine/kernels/indexer/indexer.h"

#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Indexer : public VariantTest {};

/// One head of width 1 with weight 1: the score of row w is ReLU(key w).
std::vector<std::int32_t> select(const std::vector<float>& keys, std::size_t n_visible,
                                 std::size_t top_k) {
  const std::vector<float> one = {1};
  const std::vector<const float*> pages = {keys.data()};
  const std::vector<std::size_t> visible = {n_visible};
  std::vector<std::int32_t> selected(top_k, -1);
  std::vector<std::size_t> n_selected(1);
  indexer_select_ref({.q = dense_rows(one.data(), 1, 1),
                      .head_weights = dense_rows(one.data(), 1, 1),
                      .n_heads = 1,
                      .keys = {pages.data(), keys.size(), keys.size(), 1},
                      .n_visible = visible,
                      .top_k = top_k,
                      .selected = dense_rows(selected.data(), 1, top_k),
                      .n_selected = n_selected});
  selected.resize(n_selected[0]);
  return selected;
}

TEST(IndexerRef, ChoosesTheBestVisibleRowsInAscendingOrder) {
  const std::vector<float> keys = {1, 5, 2, 4, 3, 9};
  EXPECT_EQ(select(keys, 5, 3), (std::vector<std::int32_t>{1, 3, 4}));  // row 5 is not visible
}

TEST(IndexerRef, PrefersTheLowerRowOnTies) {
  EXPECT_EQ(select({0, 7, 0, 0, 7, 0}, 6, 4), (std::vector<std::int32_t>{0, 1, 2, 4}));
  EXPECT_EQ(select({-1, -2, -3, -4}, 4, 2), (std::vector<std::int32_t>{0, 1}));  // ReLU: all 0
}

TEST(IndexerRef, ChoosesEverythingWhenFewRowsAreVisible) {
  EXPECT_EQ(select({3, 2, 1}, 3, 3), (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(select({3, 2, 1}, 2, 3), (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(select({3, 2, 1}, 0, 3), (std::vector<std::int32_t>{}));
}

TEST(IndexerRef, PutsNanLast) {
  EXPECT_EQ(select({NAN, 1, NAN, 2}, 4, 3), (std::vector<std::int32_t>{0, 1, 3}));
}

TEST(IndexerRef, AddsHeadsWithSignedWeightsAfterTheRelu) {
  // Scores: row 0: 2 * 1 - 3 * 0 = 2, row 1: 2 * 0 - 3 * 1 = -3, row 2: 2 * 1 - 3 * 1 = -1.
  const std::vector<float> q = {1, 0, 0, 1};  // two heads of width 2
  const std::vector<float> weights = {2, -3};
  const std::vector<float> keys = {1, -9, -9, 1, 1, 1};
  const std::vector<const float*> pages = {keys.data()};
  const std::vector<std::size_t> visible = {3};
  std::vector<std::int32_t> selected(2, -1);
  std::vector<std::size_t> n_selected(1);
  indexer_select_ref({.q = dense_rows(q.data(), 1, 4),
                      .head_weights = dense_rows(weights.data(), 1, 2),
                      .n_heads = 2,
                      .keys = {pages.data(), 3, 3, 2},
                      .n_visible = visible,
                      .top_k = 2,
                      .selected = dense_rows(selected.data(), 1, 2),
                      .n_selected = n_selected});
  EXPECT_EQ(selected, (std::vector<std::int32_t>{0, 2}));
}

TEST_P(Indexer, ScoresMatchTheFormula) {
  for (const std::size_t n_heads : {1, 2, 7, 64}) {
    for (const std::size_t head_dim : {1, 16, 33, 128}) {
      const std::size_t n_keys = 37;
      const auto q = gaussian_with_outliers(n_heads * head_dim, 1);
      const auto keys = gaussian_with_outliers(n_keys * head_dim, 2);
      const auto weights = gaussian_with_outliers(n_heads, 3);
      std::vector<const float*> key_rows;
      std::vector<const float*> q_rows;
      for (std::size_t w = 0; w < n_keys; ++w) key_rows.push_back(&keys[w * head_dim]);
      for (std::size_t h = 0; h < n_heads; ++h) q_rows.push_back(&q[h * head_dim]);
      std::vector<float> scratch(kernels().indexer->scratch_floats(n_heads, head_dim, n_keys), NAN);
      std::vector<float> scores(n_keys, NAN);

      kernels().indexer->scores({.keys = key_rows.data(),
                                 .n_keys = n_keys,
                                 .n_heads = n_heads,
                                 .head_dim = head_dim,
                                 .q = q_rows.data(),
                                 .weights = weights.data(),
                                 .scores = scores.data(),
                                 .scratch = scratch.data()});

      for (std::size_t w = 0; w < n_keys; ++w) {
        double expected = 0.0;
        double size = 0.0;
        for (std::size_t h = 0; h < n_heads; ++h) {
          double dot = 0.0;
          for (std::size_t i = 0; i < head_dim; ++i) {
            dot += double{q_rows[h][i]} * double{key_rows[w][i]};
          }
          expected += double{weights[h]} * std::max(dot, 0.0);
          size += std::fabs(double{weights[h]}) * absolute_dot(q_rows[h], key_rows[w], head_dim);
        }
        const double rel = dot_error(head_dim) + kEps * static_cast<double>(n_heads + 1);
        ASSERT_NEAR(scores[w], expected, rel * size + 0x1p-140) << n_heads << "x" << head_dim;
      }
    }
  }
}

HADAL_INSTANTIATE_VARIANTS(Indexer);

}  // namespace
}  // namespace hadal
