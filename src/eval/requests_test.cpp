#include "eval/requests.h"

#include "worlds/chat_episode.h"
#include "worlds/generator.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <deque>

namespace hadal::eval {
namespace {

constexpr worlds::WorldKey kKey{
    .split = worlds::Split::test, .domain = 1, .depth = 2, .seed = 4, .index = 0};

/// Sets a goal, then says what it has.
class Teacher : public LanguageModel {
 public:
  explicit Teacher(std::string goal) : goal_(std::move(goal)) {
    worlds::WorldOptions options;
    options.mistake_share = 0.0;
    const worlds::ChatEpisode episode = worlds::training_chat_episode(kKey, options);
    for (const worlds::ChatStep& step : episode.turns.front().steps) {
      Message act{.role = Role::assistant, .content = step.content};
      act.tool_calls = {
          {.id = {},
           .name = step.tool,
           .arguments = nlohmann::json{{step.arguments[0].name, step.arguments[0].value}}.dump()}};
      acts_.push_back(std::move(act));
    }
  }
  Result<Completion> complete(const CompletionRequest& request, const OnChatEvent&) override {
    Completion completion;
    completion.message = {.role = Role::assistant, .content = "Done."};
    if (request_.empty()) {
      request_ = std::get<Conversation>(request.prompt).messages.back().content;
      completion.message.tool_calls = {
          {.id = {}, .name = "set_goal", .arguments = nlohmann::json{{"state", goal_}}.dump()}};
    } else if (!acts_.empty()) {
      completion.message = acts_.front();
      acts_.pop_front();
    }
    return completion;
  }
  const std::string& request() const { return request_; }

 private:
  std::string goal_;
  std::string request_;
  std::deque<Message> acts_;
};

TEST(Requests, CountWhatWasMeantAndWhatWasReached) {
  const worlds::World world = worlds::generate_world(kKey, {});
  Teacher teacher(worlds::goal_state(world, world.goal));
  const auto rows = ask_requests(teacher, {&kKey, 1}, {});
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_TRUE(rows->front().understood && rows->front().reached);

  // Another goal is not what was meant, reached or not.
  const worlds::Literal other =
      worlds::holds(world.facts[0], world.initial)
          ? worlds::Literal{world.facts[0].variable, !world.facts[0].value}
          : world.facts[0];
  Teacher astray(worlds::goal_state(world, {&other, 1}));
  const auto wrong = ask_requests(astray, {&kKey, 1}, {});
  EXPECT_FALSE(wrong->front().understood || wrong->front().reached);

  RequestOptions trained{.world = {}, .wordings = worlds::Wordings::training};
  Teacher familiar(worlds::goal_state(world, world.goal));
  ASSERT_TRUE(ask_requests(familiar, {&kKey, 1}, trained));
  EXPECT_NE(familiar.request(), teacher.request());
  EXPECT_FALSE(familiar.request().empty());
}

}  // namespace
}  // namespace hadal::eval
