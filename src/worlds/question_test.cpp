// Every answer against brute force: the world's mechanisms applied here once more, with none of the
// code that made the answer.
#include "worlds/question.h"

#include "worlds/narrative.h"
#include "worlds/narrator.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace hadal::worlds {
namespace {

WorldOptions talkative(TextForm form = TextForm::compact) {
  WorldOptions options = varied_worlds();
  options.text_form = form;
  options.law_share = 0.4;
  options.mutex_share = 0.5;
  options.max_episodes = 3;
  options.question_share = 1.0;
  return options;
}

WorldKey key_of(std::uint64_t i) {
  return {.split = Split::train,
          .domain = i % domains().size(),
          .depth = 1 + static_cast<int>(i % 4),
          .seed = 31,
          .index = i};
}

using Values = std::vector<bool>;

bool all_true(const std::vector<Literal>& literals, const Values& values) {
  return std::all_of(literals.begin(), literals.end(),
                     [&](Literal l) { return values[l.variable] == l.value; });
}

Values values_of(const World& world, State state) {
  Values values;
  for (std::size_t v = 0; v < world.variables.size(); ++v) values.push_back((state >> v & 1u) != 0);
  return values;
}

/// Laws one at a time, until none changes anything.
Values settled(const World& world, Values values) {
  for (bool changes = true; changes;) {
    changes = false;
    for (const Mechanism& law : world.mechanisms) {
      if (law.kind != MechanismKind::law || !all_true(law.pre, values) || all_true(law.eff, values))
        continue;
      for (Literal l : law.eff) values[l.variable] = l.value;
      changes = true;
    }
  }
  return values;
}

bool can_do(const World& world, int m, const Values& values) {
  return all_true(world.mechanisms[static_cast<std::size_t>(m)].pre, values);
}

Values after(const World& world, int m, Values values) {
  for (Literal l : world.mechanisms[static_cast<std::size_t>(m)].eff) values[l.variable] = l.value;
  return settled(world, std::move(values));
}

Values run(const World& world, Values values, const std::vector<int>& actions, int without = -1) {
  for (std::size_t i = 0; i < actions.size(); ++i)
    if (static_cast<int>(i) != without && can_do(world, actions[i], values))
      values = after(world, actions[i], std::move(values));
  return values;
}

/// Steps from `from` to each state in reach, over the whole state space; nothing if it is too
/// large.
std::optional<std::map<Values, int>> distances(const World& world, const Values& from) {
  std::map<Values, int> distance = {{from, 0}};
  std::deque<Values> queue = {from};
  while (!queue.empty()) {
    const Values values = queue.front();
    queue.pop_front();
    for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
      if (world.mechanisms[m].kind == MechanismKind::law ||
          !can_do(world, static_cast<int>(m), values))
        continue;
      const Values next = after(world, static_cast<int>(m), values);
      if (distance.emplace(next, distance.at(values) + 1).second) queue.push_back(next);
    }
    if (distance.size() > 3000) return std::nullopt;
  }
  return distance;
}

std::optional<int> distance_to(const std::map<Values, int>& distance, Literal wanted) {
  std::optional<int> best;
  for (const auto& [values, steps] : distance)
    if (values[wanted.variable] == wanted.value && (!best || steps < *best)) best = steps;
  return best;
}

/// Checks one answer. False when the state space is too large for brute force.
bool check(const World& world, const History& history, const Question& q) {
  const Values start = values_of(world, world.initial);
  const Values now = run(world, start, history.actions);
  switch (q.type) {
    case QuestionType::effect_of_do: {
      Values altered = now;
      EXPECT_NE(altered[q.literal->variable], q.literal->value) << "do() changes something";
      altered[q.literal->variable] = q.literal->value;
      altered = settled(world, altered);
      EXPECT_EQ(q.yes, can_do(world, q.mechanism, altered));
      EXPECT_TRUE(all_true(q.holding, altered));
      return true;
    }
    case QuestionType::counterfactual:
      EXPECT_EQ(q.yes, all_true(q.goal, run(world, start, history.actions, q.step)));
      return true;
    case QuestionType::necessary_cause: {
      Values altered = start;
      EXPECT_EQ(altered[q.literal->variable], q.literal->value) << "a fact of the start";
      altered[q.literal->variable] = !q.literal->value;
      altered = run(world, settled(world, altered), history.actions);
      EXPECT_TRUE(all_true(q.goal, now));
      EXPECT_EQ(q.yes, !all_true(q.goal, altered));
      return true;
    }
    case QuestionType::missing: {
      const auto& pre = world.mechanisms[static_cast<std::size_t>(q.mechanism)].pre;
      EXPECT_NE(std::find(pre.begin(), pre.end(), *q.missing), pre.end());
      for (Literal l : pre) EXPECT_EQ(now[l.variable] == l.value, !(l == *q.missing));
      return true;
    }
    case QuestionType::reachable:
    case QuestionType::next_action: {
      Values values = now;
      for (int m : q.plan) {
        EXPECT_TRUE(can_do(world, m, values));
        values = after(world, m, values);
      }
      const bool plan_works = values[q.literal->variable] == q.literal->value;
      const auto distance = distances(world, now);
      if (!distance) return false;
      const auto steps = distance_to(*distance, *q.literal);
      if (q.type == QuestionType::reachable) {
        EXPECT_EQ(q.yes, steps.has_value());
        EXPECT_EQ(q.yes, plan_works);
        return true;
      }
      EXPECT_TRUE(plan_works);
      EXPECT_GE(q.plan.size(), 2u) << "the question's words would give the answer";
      EXPECT_EQ(static_cast<int>(q.plan.size()), steps.value_or(-1));
      // No other action brings it as near.
      for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
        const auto index = static_cast<int>(m);
        if (world.mechanisms[m].kind == MechanismKind::law || !can_do(world, index, now)) continue;
        const auto from_there = distances(world, after(world, index, now));
        if (!from_there) return false;
        const auto rest = distance_to(*from_there, *q.literal);
        EXPECT_EQ(rest && *rest == *steps - 1, index == q.action);
      }
      return true;
    }
  }
  return true;
}

TEST(Question, AnswersAgreeWithBruteForceOnThousandsOfQuestions) {
  std::map<QuestionType, int> n_checked;
  std::map<QuestionType, int> n_yes;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const Story story = make_story(key_of(i), talkative());
    const History history = history_of(story);
    RandomStream random(i);
    for (QuestionType type : kQuestionTypes) {
      const auto question = draw_question(story.world, history, type, random);
      if (!question || !check(story.world, history, *question)) continue;
      ++n_checked[type];
      n_yes[type] += question->yes ? 1 : 0;
      ASSERT_FALSE(testing::Test::HasFailure()) << name_of(type) << " in world " << i;
    }
  }

  int n = 0;
  for (QuestionType type : kQuestionTypes) {
    EXPECT_GE(n_checked[type], type == QuestionType::next_action ? 50 : 200) << name_of(type);
    n += n_checked[type];
    if (type == QuestionType::next_action || type == QuestionType::missing) continue;
    const double yes = static_cast<double>(n_yes[type]) / n_checked[type];
    EXPECT_GT(yes, 0.25) << name_of(type);
    // Most facts that are told are needed.
    EXPECT_LT(yes, type == QuestionType::necessary_cause ? 0.85 : 0.75) << name_of(type);
  }
  EXPECT_GE(n, 2000);
}

TEST(Question, EffectsOfDoAreAnsweredWithYesAsOftenAsWithNo) {
  constexpr int kQuestions = 400;
  int n_yes = 0;
  for (std::uint64_t i = 0; i < kQuestions; ++i) {
    WorldOptions options;
    options.distractor_ratio = 1.0;
    const Story story = make_story({.split = Split::test,
                                    .domain = i % domains().size(),
                                    .depth = 1 + static_cast<int>(i % 4),
                                    .index = i},
                                   options);
    RandomStream random(i);
    const auto question =
        draw_question(story.world, history_of(story), QuestionType::effect_of_do, random);
    ASSERT_TRUE(question.has_value()) << i;
    n_yes += question->yes ? 1 : 0;
  }
  EXPECT_NEAR(n_yes, kQuestions / 2, 4 * 10);  // 4 sigma
}

TEST(Question, TheHandMadeWorldHasTheseAnswers) {
  const World world = hand_made_world();
  const History history{.actions = {0, 2, 1}, .goal = world.goal};
  RandomStream random(1);
  std::set<std::string> texts;
  Narrator narrator(world, talkative());
  narrator.prompt();
  Simulator simulator(world);
  for (int m : history.actions) {
    narrator.act_prefix();
    narrator.observation(simulator.apply(m));
  }
  for (int draw = 0; draw < 30; ++draw)
    for (QuestionType type : kQuestionTypes)
      if (const auto q = draw_question(world, history, type, random)) {
        const QuestionText text = narrator.question(*q);
        const std::string ask = text_of(text.ask_pieces);
        const std::string answer = text_of(text.answer_pieces);
        const auto body = [](const std::string& event) {
          return event.substr(event.find("<|:|>") + 6,
                              event.find("<|/ev|>") - event.find("<|:|>") - 6);
        };
        texts.insert(body(ask) + " / " + body(answer));
      }

  for (const char* expected : {"do red lamp dark can heat blue pan / no because red lamp dark",
                               "do big cup dirty can heat blue pan / no because big cup dirty",
                               "without light red lamp would old jar open / no because light red "
                               "lamp then wash big cup then heat blue pan",
                               "was big cup clean needed so old jar open / no because light red "
                               "lamp then wash big cup then heat blue pan",
                               "reachable blue pan cold / no because nothing",
                               "reachable big cup dirty / yes because light red lamp"})
    EXPECT_TRUE(texts.contains(expected)) << expected << "\n" << testing::PrintToString(texts);
}

TEST(Question, TheNextActionIsAskedWhereItsOwnEffectIsNotWhatIsWanted) {
  const World world = hand_made_world();
  RandomStream random(1);
  // All done: the one thing still to be had, a dirty cup, is the effect of the action that gets it.
  const History done{.actions = {0, 2, 1}, .goal = world.goal};
  EXPECT_FALSE(draw_question(world, done, QuestionType::next_action, random));
  const History begun{.actions = {0}, .goal = world.goal};  // wash cup, then heat pan
  const auto question = draw_question(world, begun, QuestionType::next_action, random);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->action, 2);
}

TEST(Question, EveryAnswerIsReadBackInBothForms) {
  for (TextForm form : {TextForm::full, TextForm::compact}) {
    for (std::uint64_t i = 0; i < 200; ++i) {
      const Story story = make_story(key_of(i), talkative(form));
      Narrator narrator(story.world, talkative(form));
      narrator.prompt();
      for (const Chapter& chapter : story.chapters) {
        if (&chapter != &story.chapters.front()) narrator.goal_event(chapter.goal);
        for (const TeacherStep& step : chapter.steps) {
          narrator.act_prefix();
          narrator.observation(step.outcome);
        }
      }
      for (const Question& question : draw_questions(story, talkative(form))) {
        const QuestionText text = narrator.question(question);
        const auto written = read_answer(text_of(text.answer_pieces) + "<|act|>");
        ASSERT_TRUE(written);
        EXPECT_EQ(written->answer, text.answer);
        EXPECT_EQ(written->causes, text.causes);
        EXPECT_TRUE(text_of(text.ask_pieces).starts_with("<|ask|><|e"));
        EXPECT_TRUE(text_of(text.prefix_pieces).starts_with("<|ans|><|e"));
      }
    }
  }
  EXPECT_FALSE(read_answer("yes because"));
  EXPECT_FALSE(read_answer("<|by|><|e1|><|:|><|/ev|>yes"));
}

TEST(Story, ChaptersGoOnWhereTheLastHasEndedAndReachTheirGoals) {
  std::map<std::size_t, int> n_chapters;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const Story story = make_story(key_of(i), talkative());
    ++n_chapters[story.chapters.size()];
    Values values = values_of(story.world, story.world.initial);
    std::size_t n_events = 1 + story.world.facts.size() + story.world.mechanisms.size();
    for (const Chapter& chapter : story.chapters) {
      EXPECT_FALSE(all_true(chapter.goal, values)) << "nothing to do";
      for (const TeacherStep& step : chapter.steps) {
        EXPECT_EQ(can_do(story.world, step.mechanism, values), step.outcome.valid);
        if (step.outcome.valid) values = after(story.world, step.mechanism, values);
      }
      EXPECT_TRUE(all_true(chapter.goal, values));
      n_events += 2 * chapter.steps.size();
    }
    EXPECT_LE(n_events, static_cast<std::size_t>(kEventIds));
  }
  for (std::size_t n : {1, 2, 3}) EXPECT_GT(n_chapters[n], 40) << n << " chapters";
}

TEST(Story, AnswersWeighAsActsAndQuestionsAsText) {
  WorldOptions options = talkative();
  options.weights = {.text = 1.0f, .observation = 1.0f, .act = 4.0f, .act_id = 0.0f};
  bool in_answer = false;
  int n_answers = 0;
  for (std::uint64_t i = 0; i < 50; ++i)
    for (const Piece& piece : training_narrative(key_of(i), options)) {
      if (piece.text.starts_with("<|ans|>")) {
        in_answer = true;
      } else if (in_answer && piece.text.ends_with("<|/ev|>")) {
        EXPECT_EQ(piece.weight, 4.0f) << piece.text;
        in_answer = false;
        ++n_answers;
      }
    }
  EXPECT_GT(n_answers, 50);
}

}  // namespace
}  // namespace hadal::worlds
