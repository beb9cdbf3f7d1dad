#include "engine/backends/metered_backend.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <thread>

namespace hadal {
namespace {

/// Does nothing but count its calls.
class IdleBackend final : public Backend {
 public:
  std::size_t n_calls = 0;

  std::string description() const override { return "idle"; }
  void embedding(const EmbeddingArgs&) override { ++n_calls; }
  void linear(const LinearArgs&) override {
    ++n_calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void rms_norm(const RmsNormArgs&) override { ++n_calls; }
  void rope(const RopeArgs&) override { ++n_calls; }
  void hyper_connection_read(const HyperConnectionReadArgs&) override { ++n_calls; }
  void hyper_connection_write(const HyperConnectionWriteArgs&) override { ++n_calls; }
  void hyper_connection_head(const HyperConnectionHeadArgs&) override { ++n_calls; }
  void compressor_pool(const CompressorPoolArgs&) override { ++n_calls; }
  void indexer_select(const IndexerSelectArgs&) override { ++n_calls; }
  void attention(const AttentionArgs&) override { ++n_calls; }
  void router(const RouterArgs&) override { ++n_calls; }
  void moe(const MoeArgs&) override { ++n_calls; }
  void swiglu(const SwigluArgs&) override { ++n_calls; }
  void range_attention(const RangeAttentionArgs&) override { ++n_calls; }
};

/// A view whose bytes nobody reads.
MatrixView matrix(std::size_t rows, std::size_t cols, DType dtype) {
  static const std::byte kNothing{};
  return {.dtype = dtype,
          .data = &kNothing,
          .rows = rows,
          .cols = cols,
          .row_stride = bytes_of(dtype, cols)};
}

Rows<const float> input(std::size_t n, std::size_t width) {
  return dense_rows<const float>(nullptr, n, width);
}

Rows<float> output(std::size_t n, std::size_t width) {
  return dense_rows<float>(nullptr, n, width);
}

TEST(MeteredBackend, CountsAMatrixOnceACallAndItsProductsOnceAToken) {
  IdleBackend idle;
  MeteredBackend metered(idle);

  metered.linear({.x = input(3, 64), .weight = matrix(10, 64, DType::q8_0), .y = output(3, 10)});

  EXPECT_EQ(metered.bytes(), 10u * 2 * 34);  // two blocks of 34 bytes in a row
  EXPECT_EQ(metered.ops(), 2u * 3 * 10 * 64);
  EXPECT_EQ(idle.n_calls, 1u);
}

TEST(MeteredBackend, CountsOnlyTheRowsOfAGroup) {
  IdleBackend idle;
  MeteredBackend metered(idle);

  metered.linear(
      {.x = input(1, 64), .weight = matrix(10, 64, DType::f32), .y = output(1, 5), .row_begin = 5});

  EXPECT_EQ(metered.bytes(), 5u * 64 * 4);
  EXPECT_EQ(metered.ops(), 2u * 5 * 64);
}

TEST(MeteredBackend, KeepsTypesOfWeightsApart) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f32})
    metered.linear({.x = input(1, 8), .weight = matrix(4, 8, dtype), .y = output(1, 4)});

  ASSERT_EQ(metered.uses().size(), 2u);
  EXPECT_EQ(metered.uses()[0].dtype, DType::f32);
  EXPECT_EQ(metered.uses()[0].n_calls, 2u);
  EXPECT_EQ(metered.uses()[0].bytes, 2u * 4 * 8 * 4);
  EXPECT_EQ(metered.uses()[1].dtype, DType::bf16);
  EXPECT_EQ(metered.uses()[1].bytes, 4u * 8 * 2);
}

TEST(MeteredBackend, CountsTheExpertsThatSomeTokenChose) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  const ExpertWeights expert{.w1 = matrix(2, 4, DType::f32),
                             .w3 = matrix(2, 4, DType::f32),
                             .w2 = matrix(4, 2, DType::f32)};  // 24 weights
  const ExpertWeights shared{.w1 = matrix(1, 4, DType::bf16),
                             .w3 = matrix(1, 4, DType::bf16),
                             .w2 = matrix(4, 1, DType::bf16)};  // 12 weights
  const std::vector<ExpertWeights> experts(5, expert);
  const std::array<std::int32_t, 6> ids = {0, 3, 3, 4, 0, 3};  // three tokens, three experts

  metered.moe({.x = input(3, 4),
               .experts = experts,
               .shared = &shared,
               .expert_ids = dense_rows(ids.data(), 3, 2),
               .expert_weights = input(3, 2),
               .swiglu_limit = 1.0f,
               .fake_quant_activations = false,
               .y = output(3, 4)});

  EXPECT_EQ(metered.bytes(), 3u * 24 * 4 + 12 * 2);
  EXPECT_EQ(metered.ops(), 2u * (6 * 24 + 3 * 12));
}

AttentionArgs attention_args(std::size_t start, std::size_t n) {
  return {.q = input(n, 2 * 8),
          .n_heads = 2,
          .head_dim = 8,
          .start = start,
          .window = 4,
          .window_keys = {},
          .rows = {},
          .selected = {},
          .n_selected = {},
          .n_visible = {},
          .sinks = {},
          .scale = 1.0f,
          .out = output(n, 2 * 8)};
}

TEST(MeteredBackend, CountsTheKeysThatQueriesSee) {
  IdleBackend idle;
  MeteredBackend metered(idle);

  metered.attention(attention_args(2, 3));  // windows of 3, 4 and 4 keys, 5 different ones

  EXPECT_EQ(metered.bytes(), 5u * 8 * 4);
  EXPECT_EQ(metered.ops(), 2u * 2 * (3 + 4 + 4) * 2 * 8);
}

TEST(MeteredBackend, CountsTheRowsThatRangesHold) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  const RowRange before{0, 3};
  const std::array<VisibleRanges, 2> visible = {
      VisibleRanges{.before = {&before, 1}, .last = {5, 7}},
      VisibleRanges{.before = {}, .last = {7, 8}}};

  metered.range_attention({.q = input(2, 4 * 8),
                           .n_heads = 4,
                           .n_kv_heads = 2,
                           .head_dim = 8,
                           .rows = {.width = 2 * 2 * 8},
                           .visible = visible,
                           .sinks = {},
                           .scale = 1.0f,
                           .out = output(2, 4 * 8)});

  EXPECT_EQ(metered.bytes(), 5u * 2 * 2 * 8 * 4);  // the most that one query sees
  EXPECT_EQ(metered.ops(), 2u * 2 * (5 + 1) * 4 * 8);
}

TEST(MeteredBackend, CountsSelectedRowsBeforeVisibleOnes) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  const std::array<std::size_t, 1> visible = {30};
  const std::array<std::size_t, 1> selected = {5};
  AttentionArgs args = attention_args(100, 1);
  args.n_visible = visible;

  metered.attention(args);
  EXPECT_EQ(metered.bytes(), (4u + 30) * 8 * 4);

  metered.reset();
  args.n_selected = selected;
  metered.attention(args);
  EXPECT_EQ(metered.bytes(), (4u + 5) * 8 * 4);
}

TEST(MeteredBackend, CountsIndexerRowsOnlyWhereThereIsAChoice) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  const std::array<std::size_t, 3> visible = {4, 6, 7};
  std::array<std::size_t, 3> n_selected{};
  const auto select = [&](std::size_t top_k) {
    metered.reset();
    metered.indexer_select({.q = input(3, 2 * 8),
                            .head_weights = input(3, 2),
                            .n_heads = 2,
                            .keys = {nullptr, 1, 7, 8},
                            .n_visible = visible,
                            .top_k = top_k,
                            .selected = {},
                            .n_selected = n_selected});
  };

  select(7);
  EXPECT_EQ(metered.bytes(), 0u);

  select(4);  // the last two tokens have more rows than places
  EXPECT_EQ(metered.bytes(), 7u * 8 * 4);
  EXPECT_EQ(metered.ops(), 2u * (6 + 7) * 2 * (8 + 1));
}

TEST(MeteredBackend, ReadsTheClockOnlyWhenAsked) {
  IdleBackend idle;
  MeteredBackend metered(idle);
  const LinearArgs args{.x = input(1, 8), .weight = matrix(4, 8, DType::f32), .y = output(1, 4)};

  metered.linear(args);
  EXPECT_EQ(metered.uses().front().seconds, 0.0);

  metered.set_timing(true);
  metered.linear(args);  // sleeps for 2 ms
  EXPECT_GE(metered.uses().front().seconds, 0.002);
  EXPECT_EQ(metered.uses().front().n_calls, 2u);
}

}  // namespace
}  // namespace hadal
