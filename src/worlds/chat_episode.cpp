#include "worlds/chat_episode.h"

#include "base/random.h"
#include "worlds/phrase.h"
#include "worlds/request.h"
#include "worlds/story.h"

#include <fmt/format.h>

namespace hadal::worlds {
namespace {

ToolDefinition define_tool(const World& world, std::string_view name) {
  ToolDefinition tool{std::string(name), "", std::string(world.domain->parameter)};
  for (const Property& property : world.domain->properties)
    for (std::size_t value = 0; value < n_values(property); ++value)
      if (property.tools[value] == name)
        tool.description = fmt::format("makes it {}", property.words[value]);
  return tool;
}

ChatStep act_step(const World& world, Narrator& narrator, const TeacherStep& step) {
  const Mechanism& action = world.mechanisms[static_cast<std::size_t>(step.mechanism)];
  std::string content = text_of(narrator.act_prefix());
  content += narrator.act_header(step.mechanism);
  return {.content = std::move(content),
          .tool = std::string(tool_name(world, action)),
          .arguments = {{std::string(world.domain->parameter), item_name(world, action)}},
          .result = text_of(narrator.observation(step.outcome)),
          .is_mistake = step.is_mistake,
          .optimal_ids = narrator.ids_of(step.optimal)};
}

}  // namespace

ChatOpening chat_opening(const World& world, Narrator& narrator) {
  ChatOpening opening;
  opening.system = system_line(world);
  opening.system += text_of(narrator.world_events());
  opening.tools.push_back(
      {std::string(kSetGoalTool), "says what is wanted", std::string(kGoalParameter)});
  for (std::string_view name : tool_names(world)) opening.tools.push_back(define_tool(world, name));
  return opening;
}

std::string goal_state(const World& world, std::span<const Literal> goal) {
  std::string text;
  for (Literal l : goal) {
    if (!text.empty()) text += " and ";
    text += short_form(world, l);
  }
  return text;
}

ChatEpisode training_chat_episode(const WorldKey& key, const WorldOptions& options) {
  const Story story = make_story(key, options);
  const World& world = story.world;
  Narrator narrator(world, options);
  RandomStream random(splitmix64_at(splitmix64_at(fnv1a64("request"), key.seed),
                                    key.index * 16 + static_cast<std::uint64_t>(key.depth)));
  ChatEpisode episode{chat_opening(world, narrator), {}};
  for (const Chapter& chapter : story.chapters) {
    ChatTurn turn{
        .request = request_text(world, chapter.goal, Wordings::training, random),
        .set_goal = {.content = {},
                     .tool = std::string(kSetGoalTool),
                     .arguments = {{std::string(kGoalParameter), goal_state(world, chapter.goal)}},
                     .result = text_of(narrator.goal_event(chapter.goal))},
        .steps = {},
        .closing = "Done: " + sentences(world, chapter.goal) + "."};
    for (const TeacherStep& step : chapter.steps) {
      ChatStep& before = turn.steps.empty() ? turn.set_goal : turn.steps.back();
      if (step.change) before.result += text_of(narrator.intervention(step.change->outcome));
      turn.steps.push_back(act_step(world, narrator, step));
    }
    episode.turns.push_back(std::move(turn));
  }
  return episode;
}

}  // namespace hadal::worlds
