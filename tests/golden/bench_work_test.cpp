// What `hadal bench` counts as read and multiplied, against a count by hand of config G1.
#include "engine/backends/metered_backend.h"
#include "engine/model/costs.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

// Matrix elements that one token of G1 multiplies with. d 32, 4 heads x 32, q_lora 24, o 2 x 12,
// 3 of 6 experts of 24 and a shared one, 4 streams, indexer 32 x 16.
constexpr std::size_t kAttention = 24 * 32 + 128 * 24 + 32 * 32 + 24 * 64 + 32 * 24;
constexpr std::size_t kExpert = 3 * 24 * 32;
constexpr std::size_t kStreams = 2 * 24 * 128;  // attention and ffn site
constexpr std::size_t kLayer = kAttention + kStreams + 6 * 32 + (3 + 1) * kExpert;
constexpr std::size_t kIndexer = 512 * 24 + 32 * 32 + 2 * 32 * 32;
constexpr std::size_t kCsa = 2 * 64 * 32 + kIndexer;
constexpr std::size_t kHca = 2 * 32 * 32;
constexpr std::size_t kHead = 50 * 32 + 4 * 128;
constexpr std::size_t kWeights = 4 * kLayer + 2 * kCsa + kHca + kHead;  // layers 0, 4, 128, 4

constexpr std::size_t kKeyBytes = 32 * sizeof(float);
constexpr std::size_t kIndexKeyBytes = 16 * sizeof(float);

/// G1 on the reference backend, its operators counted.
struct CountedModel {
  SyntheticEngine engine = make_synthetic_engine(g1_config_json(), {.kind = BackendKind::ref});
  MeteredBackend metered{*engine.backend};
  std::unique_ptr<Model> model = std::move(Model::create(*engine.checkpoint, metered, {})).value();
  std::vector<SequenceState> states;

  /// Feeds each stream its next `n` tokens in one pass; counts that pass alone.
  void feed(std::size_t n_streams, std::size_t n) {
    while (states.size() < n_streams) states.push_back(model->new_sequence());
    std::vector<std::vector<std::int32_t>> tokens;
    std::vector<ForwardInput> inputs;
    for (std::size_t i = 0; i < n_streams; ++i)
      tokens.push_back(golden_tokens(states[i].n_tokens() + 17 * i, n, 50));
    for (std::size_t i = 0; i < n_streams; ++i)
      inputs.push_back({.state = &states[i], .tokens = tokens[i], .logits = LogitsFor::last});
    metered.reset();
    model->forward(inputs);
  }

  std::uint64_t bytes(Operator op) const {
    std::uint64_t sum = 0;
    for (const OperatorUse& use : metered.uses()) sum += use.op == op ? use.bytes : 0;
    return sum;
  }
  /// Without the embedding's rows, which are looked up once per stream of the residual.
  std::uint64_t all_bytes() const { return metered.bytes() - bytes(Operator::embedding); }
};

TEST(BenchWork, OfTheFirstTokenIsEveryActiveWeightOnceAndItsOwnKey) {
  CountedModel counted;

  counted.feed(1, 1);

  EXPECT_EQ(counted.all_bytes(), kWeights * sizeof(float) + 4 * kKeyBytes);
  EXPECT_EQ(counted.metered.ops(), 2 * kWeights + 4 * (2 * 2 * 4 * 32));
}

TEST(BenchWork, AtDepthCountsWindowSelectedRowsAndScoredRows) {
  CountedModel counted;
  counted.feed(1, 40);

  counted.feed(1, 1);  // position 40: windows of 16; csa sees 10 rows and chooses 5; hca sees none

  EXPECT_EQ(counted.bytes(Operator::attention), (4 * 16 + 2 * 5) * kKeyBytes);
  EXPECT_EQ(counted.bytes(Operator::indexer_select), 2 * 10 * kIndexKeyBytes);
}

// The planner's arithmetic against what a pass executes, at the start, in the middle of windows and
// where the indexer has a choice.
TEST(BenchWork, IsWhatTheShapeAlonePredicts) {
  CountedModel counted;

  for (std::size_t position = 0; position < 45; ++position) {
    counted.feed(1, 1);
    ASSERT_EQ(counted.metered.ops(), token_flops(counted.model->config(), position).total())
        << "position " << position;
  }
}

TEST(BenchWork, OfABatchReadsDenseWeightsOnceAndNoExpertTwice) {
  CountedModel counted;

  counted.feed(5, 1);

  const std::size_t all_experts = 4 * (6 + 1) * kExpert * sizeof(float);
  EXPECT_LE(counted.bytes(Operator::moe), all_experts);
  EXPECT_GT(counted.bytes(Operator::moe), 4 * (3 + 1) * kExpert * sizeof(float));
  const std::size_t dense = (kWeights - 4 * (3 + 1) * kExpert) * sizeof(float);
  EXPECT_EQ(counted.all_bytes() - counted.bytes(Operator::moe), dense + 5 * 4 * kKeyBytes);
}

TEST(BenchWork, OfAPrefillMultipliesTheHeadForTheLastTokenAlone) {
  CountedModel counted;

  counted.feed(1, 3);

  const std::size_t keys = 1 + 2 + 3;
  EXPECT_EQ(counted.metered.ops(),
            2 * (3 * (kWeights - kHead) + kHead) + 4 * keys * (2 * 2 * 4 * 32));
}

}  // namespace
}  // namespace hadal
