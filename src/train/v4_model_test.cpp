#include "train/v4_model.h"

#include "train/golden_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace hadal::train {
namespace {

using at::Tensor;

struct GoldenRow {
  int position;
  std::vector<float> first;  ///< logits[0..4]
  int best;
  double sum;
};

// deepseek-v4.md A.2 (made by a NumPy transcription and by the official inference code in fp32).
const std::vector<GoldenRow> kMainRows = {
    {0, {-1.03140f, 0.50110f, -1.12664f, -0.20975f, -1.72946f}, 10, -7.8201},
    {3, {-0.22289f, 0.51989f, -0.90841f, -0.61690f, -2.39497f}, 10, -8.5598},
    {4, {2.07440f, -1.09052f, -0.71162f, 2.71091f, 1.26573f}, 3, 2.9857},
    {15, {2.48274f, -0.93222f, -1.49449f, 1.81779f, 2.30772f}, 0, -2.6099},
    {16, {1.41355f, -0.50927f, -0.88320f, 1.70805f, -0.36076f}, 21, -3.5676},
    {31, {1.16677f, 0.45852f, 0.54112f, 0.29525f, -0.72980f}, 38, 1.0905},
    {63, {0.47205f, -0.49242f, -0.41354f, -0.26416f, -1.48104f}, 38, -3.2553},
    {127, {0.36636f, -0.19530f, 1.00819f, -0.31206f, -2.05965f}, 38, -1.8433},
    {128, {0.06867f, -0.62563f, -0.05391f, -1.33920f, -1.93998f}, 38, -4.9564},
    {149, {1.34572f, -0.33202f, -0.25751f, 0.12820f, -0.15661f}, 21, 3.5134},
};
const std::vector<GoldenRow> kMtpRows = {
    {0, {1.01674f, 0.60523f, 0.45602f, -0.72464f, -1.16789f}, 11, -8.9115},
    {149, {-0.28862f, 1.12485f, 1.27554f, -1.03800f, -2.79818f}, 12, 4.5970},
};

Tensor golden_ids(std::int64_t first, std::int64_t count) {
  Tensor ids = at::empty({1, count}, at::kLong);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t k = first + i;
    ids[0][i] = (7 * k * k + 3 * k + 11) % 50;
  }
  return ids;
}

void expect_rows(const Tensor& logits, const std::vector<GoldenRow>& rows) {
  for (const GoldenRow& row : rows) {
    const Tensor at_row = logits[row.position];
    for (std::size_t i = 0; i < row.first.size(); ++i)
      // printed with five decimals (5e-6), fp32 noise of the graph 2e-5 (A, "Evidence")
      EXPECT_NEAR(at_row[static_cast<std::int64_t>(i)].item<float>(), row.first[i], 2.5e-5)
          << "position " << row.position << " logit " << i;
    EXPECT_EQ(at_row.argmax().item<int>(), row.best) << "position " << row.position;
    EXPECT_NEAR(at_row.sum().item<double>(), row.sum, 1e-3) << "position " << row.position;
  }
}

TEST(V4Model, ReproducesTheGoldenLogitsOfAppendixA) {
  const at::NoGradGuard no_grad;
  const V4Model model(golden_config(), appendix_weights(golden_config()));

  const Tensor h = model.streams(golden_ids(0, 150));
  const Tensor logits = at::linear(model.collapse(h), model.head());
  const Tensor mtp_logits = at::linear(model.mtp(0, h, golden_ids(1, 150)), model.head());

  expect_rows(logits, kMainRows);
  expect_rows(mtp_logits, kMtpRows);
}

TEST(V4Model, GeneratesTheWeightsOfAppendixA) {
  const V4Model model(golden_config(), appendix_weights(golden_config()));

  for (const Parameter& p : model.parameters()) {
    if (p.name == "embed.weight") {
      EXPECT_NEAR(p.value[0][1].item<float>(), 0.3931950f, 1e-7);
    }
    if (p.name == "layers.1.attn.compressor.ape") {
      EXPECT_NEAR(p.value[0][2].item<float>(), -0.4299054f, 1e-7);
    }
    if (p.name == "layers.3.ffn.gate.bias") {
      EXPECT_NEAR(p.value[2].item<float>(), 0.1625023f, 1e-7);
    }
    if (p.name == "layers.0.ffn.gate.tid2eid") {
      EXPECT_EQ(p.value[1][0].item<int>(), 4);
      EXPECT_EQ(p.value[1][2].item<int>(), 0);
    }
  }
}

TEST(V4Model, RightPaddingAndNeighboursDoNotChangeASequence) {
  const at::NoGradGuard no_grad;
  const V4Model model(golden_config(), appendix_weights(golden_config()));
  const Tensor alone = golden_ids(0, 45), other = golden_ids(7, 70);
  const Tensor padded = at::cat({alone, at::full({1, 25}, 2, at::kLong)}, 1);

  const Tensor expected = at::linear(model.collapse(model.streams(alone)), model.head());
  const Tensor together =
      at::linear(model.collapse(model.streams(at::cat({other, padded}, 0))), model.head());

  const Tensor difference = (together.slice(0, 70, 115) - expected).abs().max();
  EXPECT_LT(difference.item<float>(), 2e-5f);  // products of other sizes round differently
}

}  // namespace
}  // namespace hadal::train
