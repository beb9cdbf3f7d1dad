#include "engine/kernels/attention/attention.h"

#include "engine/kernels/attention/attention_keys.h"
#include "engine/kernels/testing/kernel_testing.h"

namespace hadal {
namespace {

using namespace testing;

class Attention : public VariantTest {};

TEST(AttentionRef, WeighsKeysBySoftmaxWithTheSinkInTheDenominator) {
  const std::vector<float> keys = {1, 0, 0, 2};  // two keys of width 2, in the chunk
  const std::vector<float> q = {2, 3};           // scores 2 and 6, times scale 0.5: 1 and 3
  const std::vector<float> sinks = {2};
  std::vector<float> out(2, NAN);

  attention_ref(
      {.q = dense_rows(q.data(), 1, 2),
       .n_heads = 1,
       .head_dim = 2,
       .start = 1,
       .window = 2,
       .window_keys =
           {.ring = nullptr, .ring_rows = 1, .chunk = keys.data(), .chunk_start = 0, .width = 2},
       .rows = {},
       .selected = {},
       .n_selected = {},
       .n_visible = {},
       .sinks = sinks,
       .scale = 0.5f,
       .out = dense_rows(out.data(), 1, 2)});

  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(2.0);  // the sink is not scaled
  EXPECT_FLOAT_EQ(out[0], static_cast<float>(std::exp(1.0) / sum));
  EXPECT_FLOAT_EQ(out[1], static_cast<float>(2.0 * std::exp(3.0) / sum));
}

/// Keys whose only channel is their identity, to see which ones a query meets and in which order.
struct KeyFixture {
  std::vector<float> ring = {104, 105, 102, 103};  // positions 4 5 2 3, slot = p mod 4
  std::vector<float> chunk = {106, 107, 108};      // positions 6 7 8
  std::vector<float> page0 = {0, 1, 2};            // compressed rows
  std::vector<float> page1 = {3, 4, 5};
  std::vector<const float*> pages = {page0.data(), page1.data()};
  std::vector<float> unused = std::vector<float>(3);
  std::vector<std::size_t> n_visible = {2, 4, 5};
  AttentionArgs args{.q = dense_rows<const float>(unused.data(), 3, 1),
                     .n_heads = 1,
                     .head_dim = 1,
                     .start = 6,
                     .window = 4,
                     .window_keys = {ring.data(), 4, chunk.data(), 6, 1},
                     .rows = {pages.data(), 3, 6, 1},
                     .selected = {},
                     .n_selected = {},
                     .n_visible = n_visible,
                     .sinks = unused,
                     .scale = 1.0f,
                     .out = {}};

  std::vector<float> keys_of(std::size_t token) const {
    const AttentionKeys keys = attention_keys(args, token);
    std::vector<float> ids;
    for (std::size_t j = 0; j < keys.size(); ++j) ids.push_back(*attention_key(args, keys, j));
    return ids;
  }
};

TEST(AttentionKeys, AreTheWindowThenAllVisibleRows) {
  const KeyFixture f;
  EXPECT_EQ(f.keys_of(0), (std::vector<float>{103, 104, 105, 106, 0, 1}));
  EXPECT_EQ(f.keys_of(1), (std::vector<float>{104, 105, 106, 107, 0, 1, 2, 3}));
  EXPECT_EQ(f.keys_of(2), (std::vector<float>{105, 106, 107, 108, 0, 1, 2, 3, 4}));
}

TEST(AttentionKeys, AreTheSelectedRowsWhenThereIsASelection) {
  KeyFixture f;
  const std::vector<std::int32_t> selected = {1, -1, 0, 3, 2, 4};
  const std::vector<std::size_t> n_selected = {1, 2, 2};
  f.args.selected = dense_rows(selected.data(), 3, 2);
  f.args.n_selected = n_selected;
  EXPECT_EQ(f.keys_of(0), (std::vector<float>{103, 104, 105, 106, 1}));
  EXPECT_EQ(f.keys_of(1), (std::vector<float>{104, 105, 106, 107, 0, 3}));
  EXPECT_EQ(f.keys_of(2), (std::vector<float>{105, 106, 107, 108, 2, 4}));
}

TEST(AttentionKeys, StartAtPositionZero) {
  KeyFixture f;
  f.args.start = 0;
  f.args.window_keys.chunk_start = 0;
  f.args.n_visible = {};
  EXPECT_EQ(f.keys_of(0), (std::vector<float>{106}));
  EXPECT_EQ(f.keys_of(2), (std::vector<float>{106, 107, 108}));
}

TEST_P(Attention, MatchesReferenceForAnyNumberOfHeadsAndKeys) {
  for (const std::size_t n_heads : {1, 2, 3, 5, 12}) {
    for (const std::size_t head_dim : {1, 8, 33, 512, 600}) {
      for (const std::size_t n_keys : {1, 5, 16, 130, 300}) {
        const auto q = gaussian_with_outliers(n_heads * head_dim, 1);
        const auto keys = gaussian_with_outliers(n_keys * head_dim, 2);
        const auto sinks = gaussian_with_outliers(n_heads, 3);
        const auto scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
        std::vector<float> expected(q.size());
        attention_ref({.q = dense_rows(q.data(), 1, q.size()),
                       .n_heads = n_heads,
                       .head_dim = head_dim,
                       .start = n_keys - 1,
                       .window = n_keys,
                       .window_keys = {nullptr, 1, keys.data(), 0, head_dim},
                       .rows = {},
                       .selected = {},
                       .n_selected = {},
                       .n_visible = {},
                       .sinks = sinks,
                       .scale = scale,
                       .out = dense_rows(expected.data(), 1, q.size())});
        std::vector<const float*> pointers;
        for (std::size_t j = 0; j < n_keys; ++j) pointers.push_back(&keys[j * head_dim]);
        std::vector<float> scratch(kernels().attention->scratch_floats(n_heads, head_dim, n_keys),
                                   NAN);
        std::vector<float> actual(q.size(), NAN);

        kernels().attention->heads({.keys = pointers.data(),
                                    .value_offset = 0,
                                    .n_keys = n_keys,
                                    .n_heads = n_heads,
                                    .head_dim = head_dim,
                                    .q = q.data(),
                                    .sinks = sinks.data(),
                                    .scale = scale,
                                    .out = actual.data(),
                                    .scratch = scratch.data()});

        for (std::size_t h = 0; h < n_heads; ++h) {
          // A score s_j is off by at most `shift`, so each weight by a factor e^(+-2 shift); then
          // exp 4 eps, sums over keys in blocks of 128, division.
          double shift = 0.0;
          for (std::size_t j = 0; j < n_keys; ++j) {
            const double size =
                absolute_dot(&q[h * head_dim], pointers[j], head_dim) * double{scale};
            shift = std::max(shift, dot_error(head_dim) * size + 2 * kEps * size);
          }
          const double rel = 2 * shift + kEps * (4 + 128 + 8 + static_cast<double>(n_keys) / 8.0);
          for (std::size_t i = 0; i < head_dim; ++i) {
            double largest = 0.0;
            for (const float* key : pointers)
              largest = std::max<double>(largest, std::fabs(key[i]));
            ASSERT_NEAR(actual[h * head_dim + i], expected[h * head_dim + i],
                        rel * largest + 0x1p-140)
                << n_heads << " heads x " << head_dim << ", " << n_keys << " keys, h=" << h
                << " i=" << i;
          }
        }
      }
    }
  }
}

TEST_P(Attention, StaysFiniteWhenOneScoreTowersOverTheOthers) {
  const std::vector<float> keys = {1000, 1, -1000, 1};  // two keys of width 2
  const std::vector<const float*> pointers = {&keys[0], &keys[2]};
  const std::vector<float> q = {1000, 0};
  const std::vector<float> sinks = {0};
  std::vector<float> scratch(kernels().attention->scratch_floats(1, 2, 2));
  std::vector<float> out(2, NAN);

  kernels().attention->heads({.keys = pointers.data(),
                              .value_offset = 0,
                              .n_keys = 2,
                              .n_heads = 1,
                              .head_dim = 2,
                              .q = q.data(),
                              .sinks = sinks.data(),
                              .scale = 1.0f,
                              .out = out.data(),
                              .scratch = scratch.data()});

  EXPECT_EQ(out, (std::vector<float>{1000, 1}));
}

HADAL_INSTANTIATE_VARIANTS(Attention);

}  // namespace
}  // namespace hadal
