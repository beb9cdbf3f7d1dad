// With the built-in model: what an evaluation must not depend on.
#include "eval/planning.h"

#include "engine/engine.h"
#include "eval/causal_qa.h"
#include "eval/episode_costs.h"
#include "eval/text_scores.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hadal::eval {
namespace {

class PlanningTest : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::open("builtin", {.backend = {.n_threads = 1}, .model = {}});
    if (!engine) GTEST_SKIP() << engine.error().message;
    engine_ = std::move(engine).value();
    auto tokenizer = Tokenizer::from_json(*engine_->checkpoint().tokenizer_json(), "builtin");
    ASSERT_TRUE(tokenizer);
    tokenizer_.emplace(std::move(tokenizer).value());
  }

  std::vector<EpisodeRow> play(std::span<const worlds::WorldKey> keys, EpisodeKind kind,
                               std::size_t batch) {
    auto rows = play_worlds(engine_->model(), *tokenizer_, keys, {.kind = kind, .batch = batch});
    EXPECT_TRUE(rows.has_value());
    return rows ? *rows : std::vector<EpisodeRow>{};
  }

  std::unique_ptr<Engine> engine_;
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(PlanningTest, RowsDoNotDependOnWhatSharesTheBatch) {
  const auto keys = episode_keys(6, 2, 3, {});

  for (const EpisodeKind kind :
       {EpisodeKind::plain, EpisodeKind::perturbed, EpisodeKind::hidden_mechanisms}) {
    const auto together = play(keys, kind, 64);
    EXPECT_EQ(together, play(keys, kind, 1)) << name_of(kind);
    EXPECT_EQ(together, play(keys, kind, 2)) << name_of(kind);  // seats change hands
    const auto alone = play(std::span(keys).subspan(4, 1), kind, 64);
    if (together.size() == keys.size()) {
      ASSERT_EQ(alone.size(), 1u);
      EXPECT_EQ(alone.front(), together[4]) << name_of(kind);
    }
  }
}

TEST_F(PlanningTest, HiddenMechanismsMakeThePromptShorter) {
  const auto keys = episode_keys(2, 3, 3, {});

  const auto plain = play(keys, EpisodeKind::plain, 8);
  const auto hidden = play(keys, EpisodeKind::hidden_mechanisms, 8);

  // Both prompts also hold the observations, which are short beside the mechanisms.
  EXPECT_LT(hidden[0].prompt_tokens, plain[0].prompt_tokens);
}

TEST_F(PlanningTest, AnswersDoNotDependOnWhatSharesTheBatch) {
  QuestionSource source;
  source.seed = 3;
  const auto exams = draw_exams(source, worlds::QuestionType::reachable, 4);
  ASSERT_EQ(exams.size(), 4u);
  const auto rows = [&](std::size_t batch) {
    return *answer_exams(engine_->model(), *tokenizer_, exams, "yes", {.batch = batch});
  };
  const auto pairs = [&](std::size_t batch) {
    return *answer_pairs(engine_->model(), *tokenizer_, source, 2, {.batch = batch});
  };

  EXPECT_EQ(rows(64), rows(1));
  EXPECT_EQ(rows(64), rows(3));  // seats change hands
  EXPECT_EQ(pairs(64), pairs(1));
  ASSERT_EQ(pairs(64).size(), 2u);
  for (std::size_t i = 0; i < exams.size(); ++i)
    EXPECT_EQ(rows(64)[i].majority, exams[i].answer == "yes");
}

TEST_F(PlanningTest, AnEpisodeCostsEachOfItsTokensOnce) {
  const ModelConfig& config = engine_->model().config();
  // Two turns: 10 tokens read, 3 written; the last of them and 2 more read, 4 written.
  const EpisodeRow row{
      .solved = true, .steps = 2, .generated_tokens = 7, .prompt_tokens = 13, .baselines = {}};
  std::uint64_t flops = 0;
  for (std::size_t position = 0; position < 18; ++position) {
    const bool chooses = (position >= 9 && position < 12) || position >= 14;
    flops += token_flops(config, position, chooses).total();
  }

  EXPECT_EQ(episode_flops(config, row), flops);
  const EpisodeRow rows[] = {
      row, EpisodeRow{.steps = 2, .generated_tokens = 7, .prompt_tokens = 13, .baselines = {}}};
  EXPECT_DOUBLE_EQ(flops_per_solved(config, rows), 2.0 * static_cast<double>(flops));
}

TEST_F(PlanningTest, TextScoresAreThoseOfAModelThatKnowsTheText) {
  auto keys = episode_keys(4, 1, 3, {});
  keys[3].depth = 3;

  const auto scores = score_text(engine_->model(), *tokenizer_, keys, {}, {});

  ASSERT_TRUE(scores);
  EXPECT_EQ(scores->n_narratives, 4u);
  EXPECT_GE(scores->n_decisions, 6u);
  EXPECT_LT(scores->n_body_tokens, scores->n_tokens);
  EXPECT_GT(scores->perplexity(), 1.0);
  EXPECT_LT(scores->perplexity(), std::sqrt(2048.0));  // uniform guessing over tokens: 2048
  EXPECT_GT(scores->next_action_accuracy(), scores->guess_accuracy());
}

}  // namespace
}  // namespace hadal::eval
