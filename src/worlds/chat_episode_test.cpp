#include "worlds/chat_episode.h"

#include "worlds/generator.h"
#include "worlds/narrative.h"
#include "worlds/phrase.h"
#include "worlds/small_talk.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace hadal::worlds {
namespace {

TEST(ChatEpisode, HoldsTheEventsOfTheNarrativeOfTheSameKey) {
  WorldOptions options = varied_worlds();
  options.max_episodes = 2;
  options.change_share = 0.3;
  int n_second_goals = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const WorldKey key{
        .domain = i / 3 % domains().size(), .depth = static_cast<int>(i % 3) + 1, .index = i};
    const World world = generate_world(key, options);
    const ChatEpisode episode = training_chat_episode(key, options);
    std::string text = std::string(kBosToken) + episode.opening.system;
    n_second_goals += episode.turns.size() == 2 ? 1 : 0;
    for (const ChatTurn& turn : episode.turns) {
      EXPECT_EQ(turn.set_goal.tool, kSetGoalTool);
      text += turn.set_goal.result;
      for (const ChatStep& step : turn.steps) {
        ASSERT_EQ(step.arguments.size(), 1u);
        const auto action =
            std::find_if(world.mechanisms.begin(), world.mechanisms.end(), [&](const Mechanism& m) {
              return m.kind == MechanismKind::action && tool_name(world, m) == step.tool &&
                     item_name(world, m) == step.arguments[0].value;
            });
        ASSERT_NE(action, world.mechanisms.end());
        text += step.content + call_text(world, *action) + "<|/ev|>" + step.result;
      }
    }
    EXPECT_EQ(text + std::string(kEosToken), text_of(training_narrative(key, options)));
  }
  EXPECT_GT(n_second_goals, 50);
}

TEST(ChatEpisode, DefinesEveryToolItCallsAndAsksInPlainWords) {
  const ChatEpisode episode = training_chat_episode({.depth = 3, .index = 5}, varied_worlds());
  std::set<std::string> tools;
  for (const ToolDefinition& tool : episode.opening.tools) {
    EXPECT_TRUE(tools.insert(tool.name).second);
    if (tool.name == kSetGoalTool) continue;
    EXPECT_EQ(tool.parameter, "item");
    EXPECT_TRUE(tool.description.starts_with("makes it ")) << tool.name;
  }
  const ChatTurn& turn = episode.turns.front();
  EXPECT_TRUE(tools.contains(turn.set_goal.tool));
  for (const ChatStep& step : turn.steps) EXPECT_TRUE(tools.contains(step.tool));
  EXPECT_TRUE(turn.closing.starts_with("Done: the "));
  EXPECT_EQ(turn.request.find("<|"), std::string::npos);
}

TEST(ChatEpisode, NamesItsGoalInTheWordsOfTheWorld) {
  const World world = hand_made_world();
  const Literal goal[] = {{1, true}, {2, true}};
  EXPECT_EQ(goal_state(world, goal), "blue pan hot and old jar open");
}

TEST(ChatEpisode, SpeaksEveryDomain) {
  const WorldKey key{.domain = parse_domain_choice("industrial")->indices[0], .depth = 2};
  const ChatEpisode episode = training_chat_episode(key, {});
  const World world = generate_world(key, {});
  EXPECT_TRUE(episode.opening.system.starts_with("industrial; tools: "));
  EXPECT_EQ(episode.turns.front().closing, "Done: " + sentence(world, world.goal.front()) + ".");
  for (const ToolDefinition& tool : episode.opening.tools)
    EXPECT_GT(tool.description.size(), std::string("makes it ").size()) << tool.name;
}

TEST(SmallTalk, HasAboutFortyDifferentQuestionsAndAnswersInOneSentence) {
  std::set<std::string_view> questions;
  for (const SmallTalk& exchange : small_talk()) {
    EXPECT_TRUE(questions.insert(exchange.user).second) << exchange.user;
    EXPECT_EQ(exchange.assistant.find('.'), exchange.assistant.size() - 1) << exchange.assistant;
    EXPECT_NE(exchange.assistant.find("toy world"), std::string_view::npos)
        << "each answer names the limits";
  }
  EXPECT_GE(questions.size(), 40u);
}

}  // namespace
}  // namespace hadal::worlds
