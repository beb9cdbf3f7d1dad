#include "eval/causal_qa.h"

#include "worlds/narrator.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include <unistd.h>

namespace hadal::eval {
namespace {

QuestionSource some_source(worlds::TextForm form) {
  QuestionSource source;
  source.world.text_form = form;
  source.world.max_episodes = 2;
  source.world.law_share = 0.3;
  source.domains.indices = {0, 1, 2};
  source.seed = 5;
  return source;
}

TEST(CausalQa, TheTeachersAnswerIsRightAndCitesAllCauses) {
  for (const auto form : {worlds::TextForm::compact, worlds::TextForm::full})
    for (const auto type : worlds::kQuestionTypes) {
      const auto exams = draw_exams(some_source(form), type, 15);
      EXPECT_EQ(exams.size(), 15u) << name_of(type);
      std::set<int> depths;
      for (const Exam& exam : exams) {
        const Grade graded = grade(exam, exam.full_answer);
        EXPECT_TRUE(graded.right) << exam.full_answer;
        EXPECT_EQ(graded.cited, graded.cited_right) << exam.full_answer;
        EXPECT_EQ(graded.causes, graded.cited_right) << exam.full_answer;
        EXPECT_EQ(exam.type, type);
        EXPECT_EQ(exam.key.split, worlds::Split::test);
        depths.insert(exam.key.depth);
      }
      EXPECT_GE(depths.size(), 3u);
    }
}

TEST(CausalQa, AnotherAnswerIsWrong) {
  const Exam exam{.key = {},
                  .type = worlds::QuestionType::reachable,
                  .prompt = {},
                  .bare_prompt = {},
                  .answer = "yes",
                  .causes = {4, 7},
                  .full_answer = {}};

  EXPECT_TRUE(grade(exam, "<|by|><|e7|><|:|> yes because heat red pan<|/ev|>").right);
  EXPECT_FALSE(grade(exam, "<|by|><|e7|><|:|> no because heat red pan<|/ev|>").right);
  EXPECT_FALSE(grade(exam, "<|by|><|e7|><|:|> yes yes<|/ev|>").right);
  EXPECT_FALSE(grade(exam, "<|by|><|e7|><|e4|> yes").right);  // no body
  const Grade half = grade(exam, "<|by|><|e7|><|e9|><|e7|><|:|> no because x<|/ev|>");
  EXPECT_EQ(half.cited, 2u);  // each once
  EXPECT_EQ(half.causes, 2u);
  EXPECT_EQ(half.cited_right, 1u);
  EXPECT_EQ(grade(exam, "").causes, 2u);  // an answer that is missing misses its causes
}

TEST(CausalQa, ThePromptIsTheNarrativeAndTheBareOneLacksIt) {
  for (const Exam& exam : draw_exams(some_source(worlds::TextForm::compact),
                                     worlds::QuestionType::counterfactual, 10)) {
    const std::string ask = exam.prompt.substr(exam.prompt.find("<|ask|>"));
    EXPECT_EQ(exam.bare_prompt.substr(exam.bare_prompt.find("<|")), ask);
    EXPECT_TRUE(exam.bare_prompt.starts_with(worlds::kBosToken));
    EXPECT_NE(exam.prompt.find("<|act|>"), std::string::npos);
    EXPECT_EQ(exam.prompt.find(worlds::kEosToken), std::string::npos);
    EXPECT_NE(ask.find("<|/ev|><|ans|><|e"), std::string::npos);
    EXPECT_TRUE(ask.ends_with("|>"));
  }
}

TEST(CausalQa, TheMajorityIsTheMostFrequentAnswer) {
  const std::vector<std::string> answers = {"yes", "no", "heat red pan", "no", "yes", "no"};

  EXPECT_EQ(most_frequent(answers), "no");
  EXPECT_EQ(most_frequent(std::span(answers).first(5)), "no");  // two each: by bytes
  EXPECT_EQ(most_frequent({}), "");
}

TEST(CausalQa, MajoritiesComeFromTheTrainingSplit) {
  const auto majorities = training_majorities(some_source(worlds::TextForm::compact), 60);

  EXPECT_EQ(majorities.size(), worlds::kQuestionTypes.size());
  const std::string reachable = majorities.at(worlds::QuestionType::reachable);
  EXPECT_TRUE(reachable == "yes" || reachable == "no") << reachable;
  std::vector<std::string> train;
  QuestionSource source = some_source(worlds::TextForm::compact);
  source.split = worlds::Split::train;
  for (const Exam& exam : draw_exams(source, worlds::QuestionType::counterfactual, 60))
    if (exam.key.index < 60) train.push_back(exam.answer);
  EXPECT_EQ(majorities.at(worlds::QuestionType::counterfactual), most_frequent(train));
}

QuestionRow pair_row(bool right, bool altered_right, bool changes) {
  return {
      .set = QuestionSet::pair, .right = right, .altered_right = altered_right, .changes = changes};
}

TEST(QuestionSummary, APairIsConsistentWhenBothAreRight) {
  QuestionSummary summary;
  summary.add(pair_row(true, true, true));
  summary.add(pair_row(true, false, true));
  summary.add(pair_row(false, true, true));
  summary.add(pair_row(true, true, false));

  EXPECT_DOUBLE_EQ(summary.consistency().share, 0.5);
  EXPECT_DOUBLE_EQ(summary.changed_consistency().share, 1.0 / 3.0);
}

TEST(QuestionCsv, GivesBackWhatWasAppendedBySetAndType) {
  const auto path = std::filesystem::path(testing::TempDir()) /
                    ("hadal_questions" + std::to_string(::getpid()) + ".csv");
  const QuestionRow plain{.set = QuestionSet::plain,
                          .type = worlds::QuestionType::missing,
                          .depth = 3,
                          .domain = 2,
                          .index = 17,
                          .right = true,
                          .context_free = false,
                          .majority = true,
                          .cited = 4,
                          .causes = 3,
                          .cited_right = 2,
                          .altered_right = false,
                          .changes = true};
  const QuestionRow pair = pair_row(false, true, false);
  auto csv = QuestionCsv::open(path, "settings 1");
  ASSERT_TRUE(csv);
  ASSERT_TRUE(csv->append(std::vector{plain}));
  ASSERT_TRUE(csv->append(std::vector{pair}));

  const auto again = QuestionCsv::open(path, "settings 1");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->rows(QuestionSet::plain, worlds::QuestionType::missing), std::vector{plain});
  EXPECT_EQ(again->rows(QuestionSet::pair, worlds::QuestionType::effect_of_do), std::vector{pair});
  EXPECT_TRUE(again->rows(QuestionSet::pair, worlds::QuestionType::missing).empty());
  EXPECT_FALSE(QuestionCsv::open(path, "settings 2"));
  std::ofstream(path, std::ios::app) << "plain,other,1,household,0,0,0,0,0,0,0,0,0\n";
  const auto broken = read_questions(path);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find(":5: 'plain,other"), std::string::npos);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hadal::eval
