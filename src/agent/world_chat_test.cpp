#include "agent/world_chat.h"

#include "agent/world_conversation.h"
#include "worlds/chat_episode.h"
#include "worlds/generator.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

#include <deque>

namespace hadal {
namespace {

/// Says what it was given, whatever it is asked.
class ScriptedModel : public LanguageModel {
 public:
  Result<Completion> complete(const CompletionRequest&, const OnChatEvent&) override {
    if (script.empty()) return error(ErrorCode::io_error, "the script is over");
    Completion completion;
    completion.message = script.front();
    script.pop_front();
    return completion;
  }
  std::deque<Message> script;
};

Message says(std::string text) {
  return {.role = Role::assistant, .content = std::move(text)};
}

Message calls(std::string tool, std::string parameter, std::string value,
              std::string content = "") {
  Message message = says(std::move(content));
  message.tool_calls = {{.id = {},
                         .name = std::move(tool),
                         .arguments = "{\"" + parameter + "\":\"" + value + "\"}"}};
  return message;
}

Message wants(std::string state) {
  return calls("set_goal", "state", std::move(state));
}

class WorldChatTest : public testing::Test {
 protected:
  worlds::World world_ = worlds::hand_made_world();
  ScriptedModel model_;
  WorldChat chat_{world_, {}, model_};
};

}  // namespace

TEST_F(WorldChatTest, FollowsARequestUntilItsGoalHolds) {
  model_.script = {wants("old jar open"),
                   calls("light", "item", "red lamp", "<|act|><|e90|><|by|><|e3|><|:|>"),
                   calls("wash", "item", "big cup", "no header"),
                   calls("heat", "item", "blue pan", "<|act|><|e91|><|by|><|e90|><|:|>"),
                   says("Done: the old jar is open.")};
  std::vector<std::string> seen;
  const auto end = chat_.ask(
      "Open the old jar.", {.on_goal =
                                [&](const auto& goal) {
                                  EXPECT_EQ(goal, (std::vector<worlds::Literal>{{2, true}}));
                                },
                            .on_step = [&](const EpisodeStep& step) { seen.push_back(step.call); },
                            .on_text = [&](std::string_view text) { seen.emplace_back(text); }});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(*end, RequestEnd::reached);
  EXPECT_EQ(seen, (std::vector<std::string>{"light(item: red lamp)", "wash(item: big cup)",
                                            "heat(item: blue pan)", "Done: the old jar is open."}));
  const auto& messages = chat_.conversation().messages;
  ASSERT_EQ(messages.size(), 2u + 2 * 4 + 1);
  EXPECT_TRUE(messages[3].content.starts_with("<|goal|>"));
  EXPECT_NE(messages[5].content.find("<|by|><|e90|><|:|>"), std::string::npos);
  EXPECT_NE(messages[7].content.find("<|by|>"), std::string::npos) << "an id of its own";
  EXPECT_TRUE(model_.script.empty());
}

TEST_F(WorldChatTest, LeavesNoTraceOfARequestThatItRefuses) {
  const auto before = chat_.conversation();
  const std::pair<const char*, RequestEnd> cases[] = {
      {"green pan hot", RequestEnd::not_understood},
      {"big cup clean", RequestEnd::held_before},
      {"red lamp lit and red lamp dark", RequestEnd::out_of_reach},
  };
  for (const auto& [state, expected] : cases) {
    model_.script = {wants(state)};
    const auto end = chat_.ask("Please.", {});
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(*end, expected) << state;
    EXPECT_EQ(chat_.conversation(), before) << state;
  }
  EXPECT_FALSE(chat_.ask("Please.", {}).has_value()) << "the script is over";
  EXPECT_EQ(chat_.conversation(), before);
}

TEST_F(WorldChatTest, EndsWhenTheStepsAreUsedUp) {
  model_.script = {wants("old jar open")};
  constexpr int kBudget = 5;  // of a plan of three
  for (int i = 0; i < kBudget + 3; ++i) model_.script.push_back(calls("heat", "item", "blue pan"));
  int n_steps = 0;
  const auto end = chat_.ask("Open the jar.", {.on_step = [&](const EpisodeStep& step) {
                               EXPECT_FALSE(step.outcome.valid);
                               ++n_steps;
                             }});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(*end, RequestEnd::out_of_steps);
  EXPECT_EQ(n_steps, kBudget);
}

TEST_F(WorldChatTest, LetsTheModelTalk) {
  model_.script = {says("Hello.")};
  const auto end = chat_.ask("Hi", {});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(*end, RequestEnd::answered);
  EXPECT_EQ(chat_.conversation().messages.back().content, "Hello.");
}

TEST_F(WorldChatTest, TakesArgumentsThatAreNoTextForNoCall) {
  model_.script = {wants("old jar open")};
  model_.script.front().tool_calls.front().arguments = "[1]";
  EXPECT_EQ(chat_.ask("Please.", {}).value(), RequestEnd::not_understood);
}

// A model that does what the teacher does sees in play what it saw in training.
TEST(WorldChat, TellsTheWorldAsTheTrainingTextDoes) {
  worlds::WorldOptions options = worlds::varied_worlds();
  options.max_episodes = 2;
  options.ancestor_marks = false;  // those of a second goal are not known in play
  options.max_mistakes = 1;        // within the steps that play allows
  for (std::uint64_t i = 0; i < 100; ++i) {
    const worlds::WorldKey key{
        .domain = i % worlds::domains().size(), .depth = static_cast<int>(i % 4) + 1, .index = i};
    const worlds::World world = worlds::generate_world(key, options);
    const worlds::ChatEpisode episode = worlds::training_chat_episode(key, options);
    ScriptedModel model;
    WorldChat chat(world, options, model);
    Conversation expected = opening_conversation(episode.opening, false);
    ASSERT_EQ(chat.conversation(), expected) << i;
    for (const worlds::ChatTurn& turn : episode.turns) {
      const std::size_t n_before = expected.messages.size();
      expected.messages.push_back({.role = Role::user, .content = turn.request});
      add_step(expected, turn.set_goal);
      for (const worlds::ChatStep& step : turn.steps) add_step(expected, step);
      expected.messages.push_back(says(turn.closing));
      for (std::size_t m = n_before; m < expected.messages.size(); ++m)
        if (expected.messages[m].role == Role::assistant)
          model.script.push_back(expected.messages[m]);
      ASSERT_EQ(chat.ask(turn.request, {}).value(), RequestEnd::reached) << i;
      ASSERT_EQ(chat.conversation(), expected) << i;
    }
  }
}

}  // namespace hadal
