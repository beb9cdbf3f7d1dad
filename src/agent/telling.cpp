#include "agent/telling.h"

#include "worlds/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace hadal {
namespace {

std::string call_summary(const worlds::WrittenAct& act) {
  std::string text = act.tool + "(";
  for (std::size_t i = 0; i < act.arguments.size(); ++i) {
    text +=
        fmt::format("{}{}: {}", i == 0 ? "" : ", ", act.arguments[i].name, act.arguments[i].value);
  }
  return text + ")";
}

void compare_causes(const worlds::WrittenAct& act, const worlds::Narrator& narrator,
                    EpisodeStep& step) {
  const auto sorted_set = [](std::vector<int> ids) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  };
  const auto cited = sorted_set(act.causes);
  const auto causes = sorted_set(narrator.act_causes(step.outcome.mechanism));
  std::vector<int> right;
  std::set_intersection(cited.begin(), cited.end(), causes.begin(), causes.end(),
                        std::back_inserter(right));
  step.n_cited = cited.size();
  step.n_causes = causes.size();
  step.n_cited_right = right.size();
}

}  // namespace

EpisodeStep do_act(const worlds::WrittenAct* act, worlds::Narrator& narrator,
                   worlds::Simulator& simulator) {
  EpisodeStep step;
  if (act != nullptr) {
    for (int id : act->causes) step.because.push_back(narrator.event_text(id));
    step.call = call_summary(*act);
    step.outcome = simulator.apply(act->tool, act->arguments);
    if (step.outcome.mechanism >= 0) compare_causes(*act, narrator, step);
  } else {
    step.outcome = simulator.apply("", {});
  }
  step.answer = worlds::text_of(narrator.observation(step.outcome));
  return step;
}

Telling::Telling(const worlds::World& world, const EpisodeStart& start, EpisodeKind kind,
                 const worlds::WorldOptions& options)
    : narrator_(world, options),
      simulator_(start.simulator),
      told_(episode_prompt(narrator_, start, kind, world)),
      budget_(static_cast<std::size_t>(start.budget())) {}

std::string Telling::take_told() {
  return std::exchange(told_, {});
}

std::string Telling::open_act() {
  return worlds::text_of(narrator_.act_prefix());
}

EpisodeStep Telling::absorb(std::string written) {
  const auto act = narrator_.read_act(written);
  EpisodeStep step = do_act(act ? &*act : nullptr, narrator_, simulator_);
  step.written = std::move(written);
  ++n_acts_;
  told_ += step.answer;
  return step;
}

Telling::Change Telling::change(worlds::Literal literal) {
  Change change{.outcome = simulator_.intervene(literal),
                .goal_holds = simulator_.goal_reached(),
                .goal_in_reach = true,
                .optimal = 0};
  told_ += worlds::text_of(narrator_.intervention(change.outcome));
  budget_ = n_acts_;
  if (change.goal_holds) return change;
  const auto plan = worlds::optimal_plan(world(), simulator_.state());
  change.goal_in_reach = plan.has_value();
  if (!plan) return change;
  change.optimal = static_cast<int>(plan->size());
  budget_ += static_cast<std::size_t>(worlds::step_budget(change.optimal));
  return change;
}

}  // namespace hadal
