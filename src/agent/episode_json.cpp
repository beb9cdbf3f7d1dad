#include "agent/episode_json.h"

#include "worlds/phrase.h"

#include <vector>

namespace hadal {
namespace {

/// [effect, cause] of every named edge on the way back.
nlohmann::ordered_json why_json(const ToldEpisode& episode, const std::vector<ToldEvent>& events,
                                std::size_t event) {
  nlohmann::ordered_json edges = nlohmann::ordered_json::array();
  std::vector<std::size_t> path;
  for (const WhyLine& line : episode.graph().why(event)) {
    path.resize(line.depth);
    if (!path.empty()) edges.push_back({events[path.back()].name, events[line.event].name});
    path.push_back(line.event);
  }
  return edges;
}

nlohmann::ordered_json step_json(const ToldEpisode& episode, const std::vector<ToldEvent>& events,
                                 const ToldStep& told) {
  nlohmann::ordered_json json = {{"call", told.step.call},
                                 {"because", told.step.because},
                                 {"valid", told.step.outcome.valid},
                                 {"observation", told.step.outcome.text},
                                 {"written", told.step.written},
                                 {"event", events[told.act].name},
                                 {"observation_event", events[told.observation].name},
                                 {"named", names_of(events, events[told.act].causes)}};
  if (!told.attended.empty()) {
    auto& attended = json["attended"] = {{"outside", told.attended.front()}};
    for (std::size_t i = 0; i + 1 < told.attended.size(); ++i)
      if (told.attended[i + 1] > 0.0f) attended[events[i].name] = told.attended[i + 1];
  }
  json["why"] = why_json(episode, events, told.act);
  return json;
}

nlohmann::ordered_json events_json(const ToldEpisode& episode,
                                   const std::vector<ToldEvent>& events) {
  const auto leads_to_goal = episode.graph().goal_ancestors();
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < events.size(); ++i) {
    json.push_back({{"name", events[i].name},
                    {"id", events[i].id},
                    {"text", events[i].text},
                    {"causes", names_of(events, events[i].causes)},
                    {"leads_to_goal", is_told_at_the_start(events[i].kind) && leads_to_goal[i]}});
  }
  return json;
}

}  // namespace

nlohmann::ordered_json episode_json(const ToldEpisode& episode, double seconds) {
  const worlds::World& world = episode.world();
  const auto events = episode.graph().events();
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const ToldStep& step : episode.steps()) steps.push_back(step_json(episode, events, step));
  nlohmann::ordered_json facts = nlohmann::ordered_json::array();
  for (const worlds::Literal& fact : world.facts) facts.push_back(worlds::sentence(world, fact));
  nlohmann::ordered_json mechanisms = nlohmann::ordered_json::array();
  for (const worlds::Mechanism& m : world.mechanisms)
    mechanisms.push_back(worlds::mechanism_text(world, m));
  nlohmann::ordered_json changes = nlohmann::ordered_json::array();
  for (const ToldChange& change : episode.changes()) {
    changes.push_back({{"fact", worlds::sentence(world, change.fact)},
                       {"after", change.after},
                       {"event", events[change.event].name},
                       {"observation", change.change.outcome.text},
                       {"goal_holds", change.change.goal_holds},
                       {"goal_in_reach", change.change.goal_in_reach},
                       {"shortest_plan", change.change.optimal}});
  }
  return {{"domain", world.domain->name},
          {"depth", world.key.depth},
          {"seed", world.key.seed},
          {"facts", facts},
          {"mechanisms", mechanisms},
          {"goal", worlds::goal_text(world)},
          {"steps", steps},
          {"what_if", changes},
          {"events", events_json(episode, events)},
          {"solved", episode.solved()},
          {"shortest_plan", world.key.depth},
          {"generated_tokens", episode.n_written()},
          {"tok_s", static_cast<double>(episode.n_written()) / seconds}};
}

}  // namespace hadal
