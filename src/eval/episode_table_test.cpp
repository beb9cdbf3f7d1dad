#include "eval/episode_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace hadal::eval {
namespace {

class EpisodeCsvTest : public testing::Test {
 protected:
  EpisodeCsvTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("hadal_") + test->name() + std::to_string(::getpid()) + ".csv");
  }
  ~EpisodeCsvTest() override { std::filesystem::remove(path_); }

  std::filesystem::path path_;
};

EpisodeRow some_row(EpisodeKind kind, int depth, std::uint64_t index) {
  return {.kind = kind,
          .depth = depth,
          .domain = 0,
          .index = index,
          .solved = index % 2 == 0,
          .steps = 3,
          .valid_steps = 2,
          .optimal = index % 4 == 0,
          .generated_tokens = 90,
          .prompt_tokens = 400 + index,
          .cited = 6,
          .causes = 5,
          .cited_right = 4,
          .baselines = {.random = true, .search = true, .refusals = index % 3 == 0}};
}

TEST_F(EpisodeCsvTest, GivesBackWhatWasAppendedByKindAndDepth) {
  auto csv = EpisodeCsv::open(path_, "settings 1");
  ASSERT_TRUE(csv);
  const std::vector<EpisodeRow> plain = {some_row(EpisodeKind::plain, 2, 0),
                                         some_row(EpisodeKind::plain, 2, 1)};
  const std::vector<EpisodeRow> hidden = {some_row(EpisodeKind::hidden_mechanisms, 2, 5)};
  ASSERT_TRUE(csv->append(plain));
  ASSERT_TRUE(csv->append(hidden));

  const auto again = EpisodeCsv::open(path_, "settings 1");

  ASSERT_TRUE(again);
  EXPECT_EQ(again->rows(EpisodeKind::plain, 2), plain);
  EXPECT_EQ(again->rows(EpisodeKind::hidden_mechanisms, 2), hidden);
  EXPECT_TRUE(again->rows(EpisodeKind::plain, 3).empty());
  EXPECT_EQ(read_episodes(path_)->size(), 3u);
}

TEST_F(EpisodeCsvTest, RefusesOtherSettingsAndKeepsTheFile) {
  ASSERT_TRUE(EpisodeCsv::open(path_, "settings 1")
                  ->append(std::vector<EpisodeRow>{some_row(EpisodeKind::plain, 1, 0)}));

  const auto other = EpisodeCsv::open(path_, "settings 2");

  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(other.error().message.find("settings 1"), std::string::npos);
  EXPECT_EQ(read_episodes(path_)->size(), 1u);
}

TEST_F(EpisodeCsvTest, NamesTheLineThatIsWrong) {
  ASSERT_TRUE(EpisodeCsv::open(path_, "s")
                  ->append(std::vector<EpisodeRow>{some_row(EpisodeKind::plain, 1, 0)}));
  std::ofstream(path_, std::ios::app) << "plain,1,household,x,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n";

  const auto rows = read_episodes(path_);

  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::bad_format);
  EXPECT_NE(rows.error().message.find(":4: 'x'"), std::string::npos) << rows.error().message;
}

TEST(EpisodeRow, CountsAnEpisode) {
  Episode episode{.key = {.depth = 2, .index = 7}, .steps = {}, .optimal = 3, .solved = true};
  episode.steps.resize(3);
  episode.steps[0].outcome.valid = true;
  episode.steps[0].n_cited = 3;
  episode.steps[0].n_causes = 2;
  episode.steps[0].n_cited_right = 2;
  episode.steps[1].n_causes = 1;

  const EpisodeRow row = row_of(episode, EpisodeKind::perturbed, {});

  EXPECT_EQ(row.steps, 3u);
  EXPECT_EQ(row.valid_steps, 1u);
  EXPECT_TRUE(row.optimal);  // measured from where the model took over, not by the world's depth
  EXPECT_EQ(row.cited, 3u);
  EXPECT_EQ(row.causes, 3u);
  EXPECT_EQ(row.cited_right, 2u);
}

TEST(Summary, F1IsTheHarmonicMeanOfPrecisionAndRecall) {
  Summary summary;
  summary.add(
      {.cited = 8, .causes = 4, .cited_right = 4, .baselines = {}});  // precision 1/2, recall 1

  EXPECT_DOUBLE_EQ(summary.causes_f1(), 2.0 / 3.0);
  EXPECT_EQ(Summary().causes_f1(), 0.0);
}

TEST(Summary, TokensPerSolvedCountsFailuresToo) {
  Summary summary;
  summary.add({.solved = true, .generated_tokens = 10, .prompt_tokens = 90, .baselines = {}});
  summary.add({.solved = false, .generated_tokens = 20, .prompt_tokens = 80, .baselines = {}});

  EXPECT_DOUBLE_EQ(summary.tokens_per_solved(), 200.0);
}

}  // namespace
}  // namespace hadal::eval
