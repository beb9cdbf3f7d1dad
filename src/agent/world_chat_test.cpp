#include "agent/world_chat.h"

#include "agent/builtin_worlds.h"
#include "agent/training_text.h"
#include "agent/world_conversation.h"
#include "chat/prompt_encoder.h"
#include "tokenizer/tokenizer.h"
#include "worlds/chat_episode.h"
#include "worlds/generator.h"
#include "worlds/test_world.h"
#include "worlds/written_event.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <iterator>

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

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

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
                   calls("heat", "item", "blue pan", "<|act|><|e90|><|by|><|e90|><|:|>"),
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
  const auto act_id = [&](std::size_t m) {
    return worlds::parse_act_header(messages[m].content).id;
  };
  EXPECT_EQ(act_id(4), 90) << "as written";
  ASSERT_TRUE(act_id(8));
  EXPECT_NE(act_id(8), 90) << "in use: the world gives it another";
  EXPECT_NE(messages[9].content.find(fmt::format("<|by|><|e{}|>", *act_id(8))), std::string::npos)
      << messages[9].content;
  EXPECT_TRUE(messages[3].content.starts_with("<|goal|>"));
  EXPECT_NE(messages[5].content.find("<|by|><|e90|><|:|>"), std::string::npos);
  EXPECT_NE(messages[7].content.find("<|by|>"), std::string::npos) << "an id of its own";
  EXPECT_TRUE(model_.script.empty());
}

// What the model reads at work is what it read in training, token for token: here a teacher acts as
// in a training conversation of the same world.
TEST_F(WorldChatTest, ReadsAsInTraining) {
  const auto tokenizer = Tokenizer::from_json(
      file_text(std::string(HADAL_SOURCE_DIR) + "/models/builtin/tokenizer.json"), "builtin");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  worlds::WorldOptions options = builtin_worlds().world;
  options.mistake_share = 0.0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const worlds::WorldKey key{.split = worlds::Split::test,
                               .domain = i % worlds::domains().size(),
                               .depth = 1 + static_cast<int>(i % 3),
                               .seed = 1,
                               .index = i};
    const auto episode = worlds::training_chat_episode(key, options);
    ASSERT_EQ(episode.turns.size(), 1u);
    const worlds::ChatTurn& turn = episode.turns.front();
    Conversation teacher;
    add_step(teacher, turn.set_goal);
    for (const worlds::ChatStep& step : turn.steps) add_step(teacher, step);
    for (std::size_t m = 0; m < teacher.messages.size(); m += 2)
      model_.script.push_back(teacher.messages[m]);
    model_.script.push_back(says(turn.closing));
    const worlds::World world = worlds::generate_world(key, options);
    WorldChat chat(world, options, model_);

    ASSERT_EQ(chat.ask(turn.request, {}).value(), RequestEnd::reached) << i;

    const std::string text = worlds::text_of(chat_training_text(key, options, false));
    const auto prompt = encode_prompt(chat.conversation(), {});
    ASSERT_TRUE(prompt);
    EXPECT_EQ(prompt->text(), text);
    EXPECT_EQ(prompt->encode(*tokenizer), tokenizer->encode(text, SpecialTokens::parse));
  }
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
