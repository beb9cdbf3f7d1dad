// Requests that join and leave a running batch: what a server needs beyond generate().

#include "engine/batch.h"

#include "base/random.h"
#include "engine/generate.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace hadal {
namespace {

constexpr std::size_t kVocab = 50;

const SamplingOptions kSampling{.temperature = 0.8f,
                                .repetition_penalty = 1.2f,
                                .presence_penalty = 0.3f,
                                .frequency_penalty = 0.2f,
                                .seed = 9};

class BatchTest : public testing::Test {
 protected:
  Model& model() { return *engine_.model; }

  GenerationRequest request(SequenceState& state, std::vector<std::int32_t> prompt,
                            std::size_t max_tokens = 40) {
    GenerationRequest r;
    r.state = &state;
    r.prompt = std::move(prompt);
    r.sampling = kSampling;
    r.max_tokens = max_tokens;
    return r;
  }
  std::vector<std::int32_t> alone(const std::vector<std::int32_t>& prompt) {
    SequenceState state = model().new_sequence();
    const GenerationRequest r = request(state, prompt);
    auto result = generate(model(), {&r, 1});
    return std::move(result->front().tokens);
  }
  Generation run(GenerationRequest r) {
    auto result = generate(model(), {&r, 1});
    EXPECT_TRUE(result) << result.error().message;
    return std::move(result->front());
  }

  SyntheticEngine engine_ = make_synthetic_engine(g1_config_json(), {.kind = BackendKind::cpu});
};

TEST_F(BatchTest, RequestsThatComeAndGoDisturbNobody) {
  std::deque<SequenceState> states;
  std::map<Batch::Slot, std::size_t> prompt_of;
  Batch batch(model());
  RandomStream random(4);
  std::size_t n_added = 0, n_compared = 0;
  const auto prompt = [](std::size_t i) { return golden_tokens(5 * i, 1 + 13 * i % 70, kVocab); };

  while (n_added < 14 || !prompt_of.empty()) {
    if (n_added < 14 && random.below(4) == 0) {
      states.push_back(model().new_sequence());
      auto r = request(states.back(), prompt(n_added));
      r.n_drafts = n_added % 3;
      const auto slot = batch.add(std::move(r));
      ASSERT_TRUE(slot) << slot.error().message;
      ASSERT_TRUE(prompt_of.emplace(*slot, n_added++).second) << "a slot given twice";
    }
    batch.step({.max_tokens = 1 + random.below(40)});
    for (Batch::Slot slot = 0; slot < batch.n_slots(); ++slot) {
      if (!batch.is_taken(slot)) continue;
      const bool leaves = prompt_of.at(slot) % 5 == 4 && random.below(10) == 0;
      if (!leaves && !batch.has_ended(slot)) continue;
      const bool ended = batch.has_ended(slot);
      const Generation generation = batch.remove(slot);
      const auto expected = alone(prompt(prompt_of.at(slot)));
      ASSERT_LE(generation.tokens.size(), expected.size());
      EXPECT_TRUE(std::equal(generation.tokens.begin(), generation.tokens.end(), expected.begin()));
      EXPECT_EQ(generation.stop_reason, ended ? StopReason::length : StopReason::cancelled);
      if (ended) {
        EXPECT_EQ(generation.tokens, expected);
      }
      n_compared += ended;
      prompt_of.erase(slot);
    }
  }
  EXPECT_GE(n_compared, 10u);
}

TEST_F(BatchTest, AnInterruptedAnswerGoesOnFromAFreshState) {
  const auto prompt = golden_tokens(1, 30, kVocab);
  const auto expected = alone(prompt);
  for (const std::size_t n_before : {1u, 17u}) {
    SequenceState first = model().new_sequence();
    auto pieces = run(request(first, prompt, n_before)).tokens;
    std::vector<std::int32_t> said = prompt;
    said.insert(said.end(), pieces.begin(), pieces.end());

    SequenceState fresh = model().new_sequence();
    auto rest = request(fresh, said, 40 - n_before);
    rest.n_answered = n_before;
    const auto later = run(std::move(rest)).tokens;
    // From the state that was kept: only the last token is not in it.
    auto kept = request(first, {pieces.back()}, 40 - n_before);
    kept.history.assign(said.begin(), said.end() - 1);
    kept.n_answered = n_before;

    EXPECT_EQ(run(std::move(kept)).tokens, later);
    pieces.insert(pieces.end(), later.begin(), later.end());
    EXPECT_EQ(pieces, expected);
  }
}

TEST_F(BatchTest, MarksFindTheStateJustBehindThem) {
  const auto prompt = golden_tokens(1, 30, kVocab);
  SequenceState state = model().new_sequence();
  std::vector<SequenceState> snapshots;
  auto r = request(state, prompt);
  r.marks = {7, 8, 30};
  r.on_mark = [&](std::size_t n) {
    EXPECT_EQ(state.n_tokens(), n);
    snapshots.push_back(state.clone());
  };

  const auto tokens = run(std::move(r)).tokens;

  EXPECT_EQ(tokens, alone(prompt));
  ASSERT_EQ(snapshots.size(), 3u);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto n = static_cast<std::ptrdiff_t>(snapshots[i].n_tokens());
    auto rest = request(snapshots[i], {prompt.begin() + n, prompt.end()});
    rest.history.assign(prompt.begin(), prompt.begin() + n);
    EXPECT_EQ(run(std::move(rest)).tokens, tokens) << "from mark " << n;
  }
}

TEST_F(BatchTest, OnlyAllowedTokensAreChosen) {
  SequenceState state = model().new_sequence();
  std::uint64_t mask = 0;
  std::vector<std::int32_t> chosen;
  auto r = request(state, golden_tokens(1, 30, kVocab), 12);
  r.n_drafts = 2;
  r.allowed = [&] {
    // In turn: {3, 40}, {7}; after ten tokens none.
    mask = chosen.size() == 10 ? 0 : chosen.size() % 2 == 0 ? 1ull << 3 | 1ull << 40 : 1ull << 7;
    return std::span<const std::uint64_t>(&mask, 1);
  };
  r.on_token = [&](const TokenChoice& choice) {
    chosen.push_back(choice.token);
    return true;
  };

  const Generation generation = run(std::move(r));

  EXPECT_EQ(generation.stop_reason, StopReason::no_token);
  ASSERT_EQ(generation.tokens.size(), 10u);
  EXPECT_EQ(state.n_tokens(), 30u + 9u) << "all but the last chosen token";
  for (std::size_t i = 0; i < 10; ++i) {
    const std::int32_t token = generation.tokens[i];
    EXPECT_TRUE(i % 2 == 0 ? token == 3 || token == 40 : token == 7) << i << ": " << token;
  }
}

TEST_F(BatchTest, PromptTokensAreScoredAsTheModelSeesThem) {
  const auto prompt = golden_tokens(1, 100, kVocab);
  const auto logits = one_shot(model(), prompt);
  SequenceState state = model().new_sequence();
  std::vector<TokenChoice> scored;
  auto r = request(state, prompt);
  r.sampling.n_logprobs = 2;
  r.on_prompt_token = [&](const TokenChoice& choice) { scored.push_back(choice); };

  const auto tokens = run(std::move(r)).tokens;

  EXPECT_EQ(tokens, alone(prompt));
  ASSERT_EQ(scored.size(), 99u);
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const auto row = std::span(logits).subspan(i * kVocab, kVocab);
    const TokenChoice expected = score(row, prompt[i + 1], 2);
    EXPECT_EQ(scored[i].token, prompt[i + 1]);
    EXPECT_EQ(scored[i].logprob, expected.logprob) << i;
    EXPECT_EQ(scored[i].top_logprobs, expected.top_logprobs) << i;
  }
}

TEST_F(BatchTest, ReadsPromptsInTheOrderAsked) {
  std::deque<SequenceState> states;
  Batch batch(model());
  for (std::size_t i = 0; i < 3; ++i) {
    states.push_back(model().new_sequence());
    ASSERT_TRUE(batch.add(request(states.back(), golden_tokens(i, 20, kVocab))));
  }
  const std::vector<Batch::Slot> order{2, 0};

  const auto pass = batch.step({.max_prompt_tokens = 25, .prompt_order = order});

  EXPECT_EQ(pass.n_prompt_tokens, 25u);
  EXPECT_FALSE(batch.in_prefill(2));
  EXPECT_EQ(batch.n_prompt_done(0), 5u);
  EXPECT_EQ(batch.n_prompt_done(1), 0u);
}

TEST_F(BatchTest, RefusesMarksThatDoNotRise) {
  SequenceState state = model().new_sequence();
  Batch batch(model());
  for (const std::vector<std::size_t>& marks :
       {std::vector<std::size_t>{0}, {5, 5}, {31}, {9, 2}}) {
    auto r = request(state, golden_tokens(1, 30, kVocab));
    r.marks = marks;
    EXPECT_FALSE(batch.add(std::move(r)));
  }
}

}  // namespace
}  // namespace hadal
