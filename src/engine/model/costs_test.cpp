// Costs against counts by hand. tests/golden/bench_work_test.cpp compares them with the operators
// that a pass executes.
#include "engine/model/costs.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

/// d 8, two layers (sliding; CSA by 4), 2 heads of 4, query rank 6, output 2 groups of rank 3,
/// window 4, indexer 2 x 4 top 2, 2 of 5 experts + 1 shared of width 7, 2 streams, vocabulary 20.
ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 20;
  c.hidden_size = 8;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.head_dim = 4;
  c.q_lora_rank = 6;
  c.o_groups = 2;
  c.o_lora_rank = 3;
  c.sliding_window = 4;
  c.layer_types = {AttentionType::sliding, AttentionType::csa};
  c.compress_ratios = {0, 4};
  c.mlp_layer_types = {MlpType::hash, MlpType::score};
  c.index_n_heads = 2;
  c.index_head_dim = 4;
  c.index_topk = 2;
  c.n_routed_experts = 5;
  c.num_experts_per_tok = 2;
  c.n_shared_experts = 1;
  c.moe_intermediate_size = 7;
  c.hc_mult = 2;
  return c;
}

// wq_a 6x8, wq_b 8x6, wkv 4x8, wo_a 6x4 (each group: 3 rows of 4), wo_b 8x6.
constexpr std::uint64_t kProjections = 48 + 48 + 32 + 24 + 48;
// Compressor 2 series x 4 wide, values and gates; indexer wq_b 8x6, weights 2x8, compressor as
// above.
constexpr std::uint64_t kCsa = 2 * 8 * 8 + (48 + 16 + 2 * 8 * 8);

TEST(Costs, OfTheFirstTokenAreItsProducts) {
  const CostParts flops = token_flops(small_config(), 0);

  // One key in each window: query x key and weight x value, 2 heads of 4.
  EXPECT_EQ(flops.attention, 2 * (2 * kProjections + kCsa) + 2 * (2 * 2 * 2 * 4));
  EXPECT_EQ(flops.ffn, 2 * 2 * (5 * 8 + 3 * 3 * 7 * 8));
  EXPECT_EQ(flops.mhc, 2 * (2 * 2 * (2 + 2) * 2 * 16 + 2 * 16));
  EXPECT_EQ(flops.head, 2 * 20 * 8);
  EXPECT_EQ(flops.module, 0u);
}

TEST(Costs, AtDepthCountWindowChosenRowsAndScores) {
  const std::uint64_t at_start = token_flops(small_config(), 0).attention;
  constexpr std::uint64_t kKey = 2 * 2 * 2 * 4;  // one key of one layer, 2 heads of 4

  // Position 11: windows of 4; 3 rows are visible, 2 are chosen, and choosing scores all 3 with 2
  // heads of 4 and their weights.
  EXPECT_EQ(token_flops(small_config(), 11).attention,
            at_start + 2 * 3 * kKey + 2 * kKey + 2 * 3 * 2 * (4 + 1));
  // Position 7: 2 rows, as many as may be chosen: nothing is scored.
  EXPECT_EQ(token_flops(small_config(), 7).attention, at_start + 2 * 3 * kKey + 2 * kKey);
}

TEST(Costs, CountActiveExpertsOnly) {
  ModelConfig more = small_config(), active = small_config();
  more.n_routed_experts = 10;      // costs the router's rows alone
  active.num_experts_per_tok = 3;  // costs an expert in each layer

  const std::uint64_t ffn = token_flops(small_config(), 0).ffn;
  EXPECT_EQ(token_flops(more, 0).ffn, ffn + 2 * 2 * 5 * 8);
  EXPECT_EQ(token_flops(active, 0).ffn, ffn + 2 * 2 * 3 * 7 * 8);
}

TEST(Costs, OfTheModuleCountEveryLoopAndTheKeysThatAreSeen) {
  ModelConfig c = small_config();
  c.world_model.emplace();
  c.world_model->latent_dim = 6;
  c.world_model->n_heads = 2;
  c.world_model->head_dim = 3;
  c.world_model->n_kv_heads = 1;
  c.world_model->intermediate = 5;
  c.world_model->n_latent_steps = 3;

  // in and out 6x8 each; per loop q, o 6x6, k, v 3x6, w1..w3 5x6, and per key 2 heads of 3 twice.
  constexpr std::uint64_t kLoop = 2 * 36 + 2 * 18 + 3 * 30;
  EXPECT_EQ(token_flops(c, 9).module, 2 * (2 * 48 + 3 * (kLoop + 10 * 2 * 2 * 3)));
  EXPECT_EQ(token_flops(c, 9, true, 4).module, 2 * (2 * 48 + 3 * (kLoop + 4 * 2 * 2 * 3)));
}

TEST(Costs, MeanIsOverThePositions) {
  std::uint64_t sum = 0;
  for (std::size_t position = 0; position < 16; ++position)
    sum += token_flops(small_config(), position).attention;

  EXPECT_EQ(mean_token_flops(small_config(), 16).attention, sum / 16);
}

TEST(Costs, WithoutLogitsLackHeadAndItsStreams) {
  const CostParts with = token_flops(small_config(), 0),
                  without = token_flops(small_config(), 0, false);

  EXPECT_EQ(without.head, 0u);
  EXPECT_EQ(with.mhc - without.mhc, 2u * 2 * 16);
  EXPECT_EQ(with.attention, without.attention);
}

TEST(Costs, WeightsReadAreTheActiveOnes) {
  const CostParts weights = weights_per_token(small_config());

  EXPECT_EQ(weights.embedding, 8u);
  EXPECT_EQ(weights.head, 20u * 8 + 8);  // and the last norm
  // gates 5x8, bias 5 (score layer), a row of tid2eid (hash layer), norms, 3 experts of 3 x 7 x 8.
  EXPECT_EQ(weights.ffn, 2 * (40 + 3 * 168 + 8) + 5 + 2u);
}

}  // namespace
}  // namespace hadal
