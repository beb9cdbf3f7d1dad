#include "worlds/chat_episode.h"

#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/teacher.h"

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

}  // namespace

ChatOpening chat_opening(const World& world, Narrator& narrator) {
  ChatOpening opening;
  opening.system = system_line(world);
  opening.system += text_of(narrator.world_events());
  opening.system += text_of(narrator.goal_event());
  for (std::string_view name : tool_names(world)) opening.tools.push_back(define_tool(world, name));
  opening.request = request_text(world);
  return opening;
}

ChatEpisode training_chat_episode(const WorldKey& key, const WorldOptions& options) {
  const World world = generate_world(key, options);
  Narrator narrator(world, options);
  ChatEpisode episode{chat_opening(world, narrator), {}, closing_text(world)};
  for (const TeacherStep& step : teacher_episode(world, options)) {
    const Mechanism& action = world.mechanisms[static_cast<std::size_t>(step.mechanism)];
    std::string content = text_of(narrator.act_prefix());
    content += narrator.act_header(step.mechanism);
    episode.steps.push_back({std::move(content),
                             std::string(tool_name(world, action)),
                             {{std::string(world.domain->parameter), item_name(world, action)}},
                             text_of(narrator.observation(step.outcome)),
                             step.is_mistake,
                             narrator.ids_of(step.optimal)});
  }
  return episode;
}

}  // namespace hadal::worlds
