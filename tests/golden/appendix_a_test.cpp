// Golden vectors of deepseek-v4.md appendix A.2, made by an independent NumPy transcription and the
// official code.

#include "recording_backend.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace hadal {
namespace {

constexpr float kTolerance =
    2e-5f;  // done-when 2: printed with five decimals (half a unit is 5e-6) plus float32 noise
constexpr double kSumTolerance = 1e-3;  // fifty terms

struct GoldenRow {
  std::size_t position;
  std::array<float, 5> logits;
  std::int32_t argmax;
  double sum;
};

constexpr GoldenRow kMain[] = {
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
constexpr GoldenRow kMtp[] = {
    {0, {1.01674f, 0.60523f, 0.45602f, -0.72464f, -1.16789f}, 11, -8.9115},
    {149, {-0.28862f, 1.12485f, 1.27554f, -1.03800f, -2.79818f}, 12, 4.5970},
};
constexpr std::size_t kTokens = 150;
constexpr std::size_t kVocab = 50;

void expect_rows(std::span<const GoldenRow> golden, std::span<const float> logits) {
  for (const GoldenRow& row : golden) {
    const auto actual = logits.subspan(row.position * kVocab, kVocab);
    for (std::size_t i = 0; i < row.logits.size(); ++i) {
      EXPECT_NEAR(actual[i], row.logits[i], kTolerance)
          << "position " << row.position << ", logit " << i;
    }
    EXPECT_EQ(argmax(actual), row.argmax) << "position " << row.position;
    EXPECT_NEAR(std::accumulate(actual.begin(), actual.end(), 0.0), row.sum, kSumTolerance)
        << "position " << row.position;
  }
}

class AppendixA : public testing::TestWithParam<BackendKind> {
 protected:
  SyntheticEngine engine_ = make_synthetic_engine(g1_config_json(), {.kind = GetParam()});
  std::vector<std::int32_t> tokens_ = golden_tokens(0, kTokens, kVocab);
};

}  // namespace

TEST_P(AppendixA, LogitsOfOneShotPrefill) {
  expect_rows(kMain, one_shot(*engine_.model, tokens_));
}

TEST_P(AppendixA, LogitsTokenByTokenAfterEveryCut) {
  for (std::size_t cut : {1, 3, 4, 5, 16, 127, 128, 129}) {
    SCOPED_TRACE(cut);
    expect_rows(kMain, in_passes(*engine_.model, tokens_, {cut, 1}));
  }
}

TEST_P(AppendixA, LogitsInChunks) {
  for (std::size_t chunk : {1, 7, 16, 31, 64, 128}) {
    SCOPED_TRACE(chunk);
    expect_rows(kMain, in_passes(*engine_.model, tokens_, {chunk}));
  }
}

TEST_P(AppendixA, MtpLogits) {
  SequenceState state = engine_.model->new_sequence();
  const ForwardInput input{.state = &state, .tokens = tokens_, .logits = LogitsFor::none};
  const ForwardOutput main = engine_.model->forward({&input, 1}, /*want_streams=*/true);
  const auto shifted = golden_tokens(1, kTokens, kVocab);

  const MtpInput mtp{
      .state = &state, .streams = main.streams, .next_tokens = shifted, .logits = LogitsFor::all};
  const ForwardOutput output = engine_.model->forward_mtp({&mtp, 1});

  expect_rows(kMtp, output.logits);
}

TEST_P(AppendixA, Intermediates) {
  RecordingBackend recorder(*engine_.backend);
  auto model = Model::create(*engine_.checkpoint, recorder, {});
  ASSERT_TRUE(model) << model.error().message;
  SequenceState state = (*model)->new_sequence();
  const ForwardInput input{.state = &state, .tokens = tokens_, .logits = LogitsFor::none};
  (*model)->forward({&input, 1});

  const auto expect_near = [](std::span<const float> actual, std::vector<float> expected,
                              const char* what) {
    ASSERT_GE(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(actual[i], expected[i], kTolerance) << what << " " << i;
  };
  const RecordingBackend::Site& site = recorder.sites.at(0);  // layer 0, attention, token 0
  expect_near(site.post, {0.827067f, 0.806801f, 0.296132f, 1.281317f}, "post");
  expect_near(
      site.comb,
      {0.095559f, 0.419934f, 0.107539f, 0.375968f, 0.130129f, 0.246977f, 0.340950f, 0.280945f,
       0.720363f, 0.055168f, 0.116264f, 0.107206f, 0.052950f, 0.276922f, 0.434247f, 0.234881f},
      "C");
  expect_near(site.hidden, {-0.905769f, 0.310418f, -0.475449f, 0.574178f}, "collapsed x");

  const RecordingBackend::Selection& layer1 = recorder.selections.at(0);
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(layer1.rows.at(22), (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(layer1.rows.at(23), (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(layer1.rows.at(100), (Ids{3, 6, 9, 19, 22}));

  const PagedRows rows = state.layer(1).attention->rows.view();
  ASSERT_EQ(rows.n, kTokens / 4);
  expect_near({rows[0], rows.width}, {0.429776f, 0.302913f, 1.602829f}, "row 0");
  expect_near({rows[1], rows.width}, {0.113945f, -0.460922f, -0.313248f}, "row 1");
  expect_near({rows[1] + rows.width - 2, 2}, {0.625020f, -1.298468f}, "row 1, end");
}

TEST_P(AppendixA, IndexerScores) {
  RecordingBackend recorder(*engine_.backend);
  auto model = Model::create(*engine_.checkpoint, recorder, {});
  ASSERT_TRUE(model) << model.error().message;
  SequenceState state = (*model)->new_sequence();
  const ForwardInput input{.state = &state, .tokens = tokens_, .logits = LogitsFor::none};
  (*model)->forward({&input, 1});
  const RecordingBackend::Selection& layer1 = recorder.selections.at(0);
  const PagedRows keys = state.layer(1).indexer->rows.view();

  const auto score =
      [&](std::size_t token,
          std::size_t row) {  // I[p][w] from the recorded query, as section 5 writes it
        double sum = 0.0;
        for (std::size_t h = 0; h < layer1.n_heads; ++h) {
          double dot = 0.0;
          for (std::size_t i = 0; i < keys.width; ++i) {
            dot += double{layer1.q[(token * layer1.n_heads + h) * keys.width + i]} *
                   double{keys[row][i]};
          }
          sum += double{layer1.head_weights[token * layer1.n_heads + h]} * std::max(dot, 0.0);
        }
        return sum;
      };
  std::vector<double> at_23;
  for (std::size_t row = 0; row < 6; ++row) at_23.push_back(score(23, row));
  std::sort(at_23.rbegin(), at_23.rend());
  const double expected_23[] = {1.23153, 0.88244, 0.85971, 0.52848, -0.52833, -0.85548};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(at_23[i], expected_23[i], 2e-5) << i;

  std::vector<double> at_100;
  for (std::size_t row = 0; row < 25; ++row) at_100.push_back(score(100, row));
  std::sort(at_100.rbegin(), at_100.rend());
  const double expected_100[] = {1.72886, 1.64813, 1.55018, 1.34982, 1.32524, 1.13839};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(at_100[i], expected_100[i], 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(Backends, AppendixA, testing::Values(BackendKind::ref, BackendKind::cpu),
                         [](const auto& info) {
                           return info.param == BackendKind::ref ? "ref" : "cpu";
                         });

}  // namespace hadal
