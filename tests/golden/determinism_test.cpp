// Promise 2 of product.md: the tokens of a request depend on the model, the prompt and the seed
// alone. Bits are compared, not tolerances. T9 and T10 of deepseek-v4.md section 14 are among these
// tests.

#include "base/random.h"
#include "engine/generate.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace hadal {
namespace {

constexpr std::size_t kVocab = 50;

struct Variant {
  const char* isa;  ///< HADAL_CPU_ISA; nullptr: the ref backend
  std::size_t threads;
};

void expect_same_bits(std::span<const float> actual, std::span<const float> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(actual[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << "position " << i / kVocab << ", logit " << i % kVocab << ": " << actual[i] << " and "
        << expected[i];
  }
}

class Determinism : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!runs_here(GetParam().isa)) GTEST_SKIP() << "this CPU lacks " << GetParam().isa;
    engine_ = make_synthetic_engine_on(GetParam().isa, g1_config_json(), GetParam().threads);
  }

  Model& model() { return *engine_.model; }
  std::vector<float> logits(SequenceState& state, std::span<const std::int32_t> tokens) {
    const ForwardInput input{.state = &state, .tokens = tokens, .logits = LogitsFor::all};
    return model().forward({&input, 1}).logits;
  }
  std::vector<std::int32_t> generate_one(std::vector<std::int32_t> prompt, std::size_t n_drafts,
                                         const SamplingOptions& sampling,
                                         std::size_t max_batch_tokens = 512,
                                         bool drafts_must_pay = false) {
    SequenceState state = model().new_sequence();
    GenerationRequest request{.state = &state,
                              .prompt = std::move(prompt),
                              .history = {},
                              .sampling = sampling,
                              .max_tokens = 60,
                              .stop_tokens = {},
                              .n_drafts = n_drafts,
                              .drafts_must_pay = drafts_must_pay,
                              .on_token = {}};
    auto result =
        generate(model(), {&request, 1}, {.max_batch_tokens = max_batch_tokens, .on_prefill = {}});
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(state.n_tokens() + 1, request.prompt.size() + result->front().tokens.size());
    return result->front().tokens;
  }

  SyntheticEngine engine_;
};

}  // namespace

TEST_P(Determinism, LogitsDoNotDependOnCuts) {
  const auto tokens = golden_tokens(0, 280, kVocab);
  const auto expected = one_shot(model(), tokens);

  for (std::size_t cut : {1, 3, 4, 5, 127, 128, 129}) {  // T9
    SCOPED_TRACE(cut);
    expect_same_bits(in_passes(model(), tokens, {cut, 1}), expected);
  }
  RandomStream random(11);
  for (int round = 0; round < 8; ++round) {
    std::vector<std::size_t> lengths;
    for (int i = 0; i < 40; ++i) lengths.push_back(1 + random.below(i % 4 == 0 ? 70 : 9));
    expect_same_bits(in_passes(model(), tokens, lengths), expected);
  }
}

TEST_P(Determinism, LogitsDoNotDependOnThreads) {
  const auto tokens = golden_tokens(0, 150, kVocab);
  const auto expected = one_shot(model(), tokens);

  for (std::size_t threads : {1, 2, 3, 5}) {
    SCOPED_TRACE(threads);
    Variant other = GetParam();
    other.threads = threads;
    SyntheticEngine engine = make_synthetic_engine_on(other.isa, g1_config_json(), other.threads);
    expect_same_bits(one_shot(*engine.model, tokens), expected);
    expect_same_bits(in_passes(*engine.model, tokens, {40, 1}), expected);
  }
}

TEST_P(Determinism, LogitsDoNotDependOnNeighbours) {
  const std::size_t lengths[] = {150, 1, 17, 133, 4};
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<std::vector<float>> alone;
  for (std::size_t i = 0; i < std::size(lengths); ++i) {
    tokens.push_back(golden_tokens(31 * i, lengths[i], kVocab));
    alone.push_back(one_shot(model(), tokens.back()));
  }

  const auto together = in_shared_passes(model(), tokens, 40, 5);

  for (std::size_t i = 0; i < alone.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same_bits(together[i], alone[i]);
  }
}

TEST_P(Determinism, SnapshotRestoresEverything) {  // T10
  const auto tokens = golden_tokens(0, 200, kVocab);
  const auto drafts = golden_tokens(900, 45, kVocab);
  const auto expected = one_shot(model(), tokens);
  SequenceState state = model().new_sequence();
  logits(state, std::span(tokens).first(130));

  SequenceState snapshot = state.clone();
  const auto before = logits(state, drafts);  // longer than any roll-back: only the snapshot helps
  state = snapshot.clone();
  const auto after = logits(state, std::span(tokens).subspan(130));

  expect_same_bits(after, std::span(expected).subspan(130 * kVocab));
  SequenceState fork = snapshot.clone();
  expect_same_bits(logits(fork, drafts), before);
}

TEST_P(Determinism, RollBackForgetsDrafts) {
  const auto tokens = golden_tokens(0, 200, kVocab);
  const auto expected = one_shot(model(), tokens);
  for (std::size_t n_drafts : {1, 5, 31, 32}) {
    for (std::size_t at : {1, 3, 4, 15, 16, 127, 128, 130}) {
      SCOPED_TRACE(testing::Message() << n_drafts << " drafts at " << at);
      SequenceState state = model().new_sequence();
      logits(state, std::span(tokens).first(at));
      logits(state, golden_tokens(700, n_drafts, kVocab));
      ASSERT_TRUE(state.roll_back(at));
      expect_same_bits(logits(state, std::span(tokens).subspan(at)),
                       std::span(expected).subspan(at * kVocab));
    }
  }
}

TEST_P(Determinism, RollBackBeyondTheLimitIsRefused) {
  SequenceState state = model().new_sequence();
  logits(state, golden_tokens(0, 100, kVocab));

  EXPECT_FALSE(state.roll_back(100 - SequenceState::kMaxRollback - 1));
  EXPECT_FALSE(state.roll_back(101));
  EXPECT_EQ(state.n_tokens(), 100u);
  ASSERT_TRUE(state.roll_back(100 - SequenceState::kMaxRollback));
  EXPECT_FALSE(state.roll_back(100 - SequenceState::kMaxRollback -
                               1));  // rings hold what was near position 100
}

TEST_P(Determinism, TokensDoNotDependOnSpeculationOrChunks) {
  const auto prompt = golden_tokens(3, 90, kVocab);
  for (const SamplingOptions& sampling :
       {SamplingOptions{}, SamplingOptions{.temperature = 0.7f, .top_p = 0.9f, .seed = 5},
        SamplingOptions{.repetition_penalty = 1.3f, .frequency_penalty = 0.4f}}) {
    const auto expected = generate_one(prompt, 0, sampling);
    ASSERT_EQ(expected.size(), 60u);
    for (std::size_t n_drafts : {1, 2, 5}) {
      EXPECT_EQ(generate_one(prompt, n_drafts, sampling), expected) << n_drafts << " drafts";
      EXPECT_EQ(generate_one(prompt, n_drafts, sampling, 7), expected)
          << n_drafts << " drafts, passes of 7 tokens";
      // Passes with and without drafts in turn, then whatever the clock says.
      EXPECT_EQ(generate_one(prompt, n_drafts, sampling, 512, true), expected)
          << n_drafts << " drafts that must pay";
    }
    EXPECT_EQ(generate_one(prompt, 0, sampling, 1), expected) << "passes of one token";
  }
}

TEST_P(Determinism, TokensDoNotDependOnTheBatch) {
  std::vector<SequenceState> states;
  std::vector<GenerationRequest> requests;
  std::vector<std::vector<std::int32_t>> expected;
  for (std::size_t i = 0; i < 5; ++i) states.push_back(model().new_sequence());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const SamplingOptions sampling{.temperature = i % 2 == 0 ? 0.0f : 1.0f, .seed = i};
    const auto prompt = golden_tokens(17 * i, 5 + 40 * i, kVocab);
    expected.push_back(generate_one(prompt, 0, sampling));
    requests.push_back({.state = &states[i],
                        .prompt = prompt,
                        .history = {},
                        .sampling = sampling,
                        .max_tokens = 60,
                        .stop_tokens = {},
                        .n_drafts = i % 3,
                        .on_token = {}});
  }

  const auto together = generate(model(), requests, {.max_batch_tokens = 64, .on_prefill = {}});

  ASSERT_TRUE(together) << together.error().message;
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ((*together)[i].tokens, expected[i]) << "request " << i;
}

TEST_P(Determinism, GenerationContinuesAcrossTurns) {
  const auto prompt = golden_tokens(3, 40, kVocab);
  const auto whole = generate_one(prompt, 0, {});
  SequenceState state = model().new_sequence();
  std::vector<std::int32_t> pieces;
  std::vector<std::int32_t> next = prompt;
  for (std::size_t n : {1, 7, 20}) {
    GenerationRequest request{.state = &state,
                              .prompt = next,
                              .history = {},
                              .sampling = {},
                              .max_tokens = n,
                              .stop_tokens = {},
                              .n_drafts = n % 3,
                              .on_token = {}};
    const auto result = generate(model(), {&request, 1});
    ASSERT_TRUE(result) << result.error().message;
    pieces.insert(pieces.end(), result->front().tokens.begin(), result->front().tokens.end());
    next = {pieces.back()};
  }
  EXPECT_EQ(pieces, std::vector<std::int32_t>(whole.begin(), whole.begin() + 28));
}

INSTANTIATE_TEST_SUITE_P(Variants, Determinism,
                         testing::Values(Variant{nullptr, 1}, Variant{"avx2", 2},
                                         Variant{"avx512", 2}),
                         [](const auto& info) {
                           return std::string(info.param.isa == nullptr ? "ref" : info.param.isa);
                         });

TEST(Generate, RefusesWhatItCannotDo) {
  SyntheticEngine engine = make_synthetic_engine(g1_config_json(), {.kind = BackendKind::ref});
  SequenceState state = engine.model->new_sequence();
  const auto message = [&](std::vector<std::int32_t> prompt, std::size_t max_tokens) {
    GenerationRequest request{.state = &state,
                              .prompt = std::move(prompt),
                              .history = {},
                              .sampling = {},
                              .max_tokens = max_tokens,
                              .stop_tokens = {},
                              .n_drafts = 0,
                              .on_token = {}};
    const auto result = generate(*engine.model, {&request, 1});
    return result ? std::string("accepted") : result.error().message;
  };

  EXPECT_NE(message({}, 1).find("no tokens"), std::string::npos);
  EXPECT_NE(message({1, 50}, 1).find("50"), std::string::npos);
  EXPECT_NE(message({-1}, 1).find("-1"), std::string::npos);
  EXPECT_NE(message({1}, 0).find("max_tokens"), std::string::npos);
  EXPECT_EQ(state.n_tokens(), 0u);
}

}  // namespace hadal
