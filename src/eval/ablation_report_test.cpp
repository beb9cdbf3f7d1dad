#include "eval/ablation_report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace hadal::eval {
namespace {

constexpr BootstrapOptions kFew{.n_resamples = 200, .first_depth = 2, .last_depth = 8, .seed = 1};

/// `per_ten` of ten episodes solved at every depth, 40 episodes each.
RunRecord run_of(const std::string& arm, std::uint64_t seed, std::size_t per_ten) {
  RunRecord run{.arm = arm, .seed = seed, .episodes = {}, .curve = {}};
  for (int depth = 1; depth <= 8; ++depth)
    for (std::uint64_t i = 0; i < 40; ++i)
      run.episodes.push_back({.depth = depth,
                              .index = i,
                              .solved = i % 10 < per_ten,
                              .steps = 4,
                              .valid_steps = 3,
                              .baselines = {.search = true}});
  return run;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(AblationReport, HasTheVerdictTheTableAndTheFigure) {
  const std::vector<RunRecord> runs = {run_of("A", 1, 3), run_of("B", 1, 3), run_of("C", 1, 8),
                                       run_of("G", 1, 6)};

  const AblationReport report = make_report(runs, kFew);

  EXPECT_TRUE(contains(report.markdown, "**reproduced at toy scale: ")) << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| C† | 1 | 80.0 (")) << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| C – G† | 1, 1 | 40 | +20.0 (")) << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| C – max(A, B)† | 1, 1, 1 | 40 | +50.0 ("))
      << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| search | | 100.0 |")) << report.markdown;
  EXPECT_TRUE(report.figures.contains("success.svg"));
  EXPECT_FALSE(report.figures.contains("loss.svg"));  // no run has a log
}

TEST(AblationReport, GivesNoVerdictWithoutItsArmsAndNamesWhatIsMissing) {
  std::vector<RunRecord> runs = {run_of("B", 1, 3), run_of("C", 1, 8)};
  std::erase_if(runs[1].episodes, [](const EpisodeRow& row) { return row.depth == 7; });

  const AblationReport report = make_report(runs, kFew);

  EXPECT_TRUE(contains(report.markdown, "None: it needs arms A, B and C")) << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "arm C: no episodes of depth 7")) << report.markdown;
}

// Episodes are the same worlds for every arm: what only one arm has played is no part of a
// difference.
TEST(AblationReport, ComparesWhatBothArmsHave) {
  std::vector<RunRecord> runs = {run_of("C", 1, 8), run_of("C", 2, 0), run_of("E", 1, 4)};
  for (RunRecord& run : runs) {
    if (run.arm == "E") continue;
    for (int depth = 1; depth <= 8; ++depth)
      for (std::uint64_t i = 40; i < 80; ++i)
        run.episodes.push_back({.depth = depth, .index = i, .solved = false, .baselines = {}});
  }

  const AblationReport report = make_report(runs, kFew);

  EXPECT_TRUE(contains(report.markdown, "| C – E† | 2, 1 | 40 | +0.0 (")) << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| C – E, seed 1† | 1, 1 | 40 | +40.0 ("))
      << report.markdown;
}

TEST(AblationReport, OverAFloorGivesPointsOnly) {
  const std::vector<RunRecord> runs = {run_of("A", 1, 1), run_of("B", 1, 1), run_of("C", 1, 8)};

  const AblationReport report = make_report(runs, kFew);

  EXPECT_TRUE(contains(report.markdown,
                       "**improves, 15 % not established: P of both controls is "
                       "below 0.2"))
      << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "no headline"));
}

class RunsDirectory : public testing::Test {
 protected:
  RunsDirectory() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("hadal_runs" + std::to_string(::getpid()) + test->name());
  }
  ~RunsDirectory() override { std::filesystem::remove_all(directory_); }

  void write_run(const std::string& name, const std::string& file, const RunRecord& run) {
    std::filesystem::create_directories(directory_ / name);
    auto csv = EpisodeCsv::open(directory_ / name / file, "settings");
    ASSERT_TRUE(csv);
    ASSERT_TRUE(csv->append(run.episodes));
  }

  std::filesystem::path directory_;
};

TEST_F(RunsDirectory, IsReadByNamesModesAndLogs) {
  write_run("C-s2", "episodes.csv", run_of("C", 2, 8));
  write_run("C-s1", "episodes.csv", run_of("C", 1, 7));
  write_run("F-s1", "episodes-token_causal.csv", run_of("F", 1, 2));
  std::filesystem::create_directories(directory_ / "notes");
  std::filesystem::create_directories(directory_ / "D-s1");  // nothing played yet
  std::ofstream(directory_ / "C-s1" / "log.csv")
      << "step,tokens,loss,next_action_accuracy,heldout_loss,heldout_accuracy\n"
         "1,1000,3.0,0.1,,\n2,2000,2.0,0.2,,\n3,3000,1.0,0.4,1.5,0.3\n";

  auto questions = QuestionCsv::open(directory_ / "C-s1" / "questions.csv", "settings");
  ASSERT_TRUE(questions);
  QuestionRow asked{.type = worlds::QuestionType::reachable, .right = true, .majority = true};
  asked.cited = asked.causes = asked.cited_right = 2;
  QuestionRow pair{.set = QuestionSet::pair, .index = 1, .right = true, .changes = true};
  ASSERT_TRUE(questions->append(std::vector{asked}));
  ASSERT_TRUE(questions->append(std::vector{pair}));
  std::ofstream(directory_ / "C-s1" / "episodes.json")
      << R"({"text": {"perplexity": 2.5, "body_perplexity": 3.5, "next_action_accuracy": 0.75}})";

  const auto runs = read_runs(directory_);

  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->size(), 3u);
  EXPECT_EQ((*runs)[0].arm, "C");
  EXPECT_EQ((*runs)[0].seed, 1u);
  EXPECT_EQ((*runs)[1].seed, 2u);
  EXPECT_EQ((*runs)[2].arm, "F (token_causal)");
  EXPECT_EQ((*runs)[0].episodes.size(), 320u);
  // One held-out value is no curve: the training columns are taken.
  EXPECT_EQ((*runs)[0].curve.loss, (std::vector<double>{3.0, 2.0, 1.0}));
  EXPECT_EQ((*runs)[0].curve.next_action_accuracy, (std::vector<double>{0.1, 0.2, 0.4}));
  EXPECT_TRUE((*runs)[1].curve.tokens.empty());
  const AblationReport report = make_report(*runs, kFew);
  EXPECT_TRUE(contains(report.markdown, "| C, seed 1 | – | – | – | – | 100.0 ("))
      << report.markdown;
  EXPECT_TRUE(contains(report.markdown, "| 1.000 | 0.0 | 0.0 |")) << "one of the pair is wrong";
  EXPECT_TRUE(contains(report.markdown, "| C | 2.500 | 3.500 | 75.0 |")) << report.markdown;
  EXPECT_TRUE(report.figures.contains("loss.svg"));
  EXPECT_TRUE(report.figures.contains("next_action.svg"));
}

TEST_F(RunsDirectory, WithoutRunsIsAnError) {
  std::filesystem::create_directories(directory_);

  EXPECT_EQ(read_runs(directory_).error().code, ErrorCode::not_found);
  EXPECT_EQ(read_runs(directory_ / "nowhere").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace hadal::eval
