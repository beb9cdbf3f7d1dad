#include "agent/told_episode.h"

#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/plan.h"
#include "worlds/test_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace hadal {
namespace {

using worlds::Literal;
using worlds::World;

/// Takes the state of the world from what it was told, and does what a shortest plan begins with.
class Teacher : public Actor {
 public:
  explicit Teacher(const World& world) : world_(&world) {}

  Result<Writing> act(const std::string& told) override {
    graph_.tell(told);
    events_ = graph_.events();
    const auto best = worlds::optimal_actions(*world_, state_read());
    if (best.empty()) return Writing{"<|:|>no idea<|/ev|>"};
    const auto& action = world_->mechanisms[static_cast<std::size_t>(best.front())];
    std::string text = id_of(worlds::mechanism_text(*world_, action));
    for (const Literal l : action.pre) text += id_of(worlds::sentence(*world_, l));
    text += "<|:|>" + worlds::call_text(*world_, action) + "<|/ev|>";
    graph_.tell(text);
    return Writing{text};
  }
  std::unique_ptr<Actor> clone() const override { return std::make_unique<Teacher>(*this); }

 private:
  worlds::State state_read() const {
    worlds::State state = world_->initial;
    for (const ToldEvent& event : events_) {
      if (event.kind != EventKind::obs) continue;
      for (std::size_t v = 0; v < world_->variables.size(); ++v) {
        for (const bool value : {false, true}) {
          const Literal l{static_cast<std::uint8_t>(v), value};
          if (event.text.find(worlds::sentence(*world_, l)) != std::string::npos)
            state = worlds::with(state, l);
        }
      }
    }
    return state;
  }
  /// Of the latest event that says so; nothing when it was never said.
  std::string id_of(const std::string& words) const {
    for (auto event = events_.rbegin(); event != events_.rend(); ++event)
      if (event->text.find(words) != std::string::npos) return fmt::format("<|e{}|>", event->id);
    return "";
  }

  const World* world_;
  ToldGraph graph_;
  std::vector<ToldEvent> events_;
};

ToldEpisode taught(const World& world) {
  return ToldEpisode(world, {}, std::make_unique<Teacher>(world));
}

void play(ToldEpisode& episode) {
  while (!episode.done()) ASSERT_TRUE(episode.step().has_value());
}

/// Every line is a named cause of the line that it stands under; every path ends in what was told
/// without causes.
void expect_paths_back_to_the_start(const ToldEpisode& episode, std::size_t act) {
  const auto events = episode.graph().events();
  const auto lines = episode.graph().why(act);
  ASSERT_EQ(lines.front().event, act);
  std::vector<std::size_t> path;  // by depth
  bool meets_start = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const ToldEvent& event = events[lines[i].event];
    ASSERT_LE(lines[i].depth, path.size());
    path.resize(lines[i].depth);
    if (!path.empty()) {
      const auto& named = events[path.back()].causes;
      EXPECT_NE(std::find(named.begin(), named.end(), lines[i].event), named.end());
    }
    path.push_back(lines[i].event);
    const bool is_end = i + 1 == lines.size() || lines[i + 1].depth <= lines[i].depth;
    if (!is_end || lines[i].seen_before) continue;
    const char letter = event.name.front();
    EXPECT_TRUE(letter == 'f' || letter == 'm' || letter == 'w') << event.name;
    meets_start = true;
  }
  EXPECT_TRUE(meets_start);
}

}  // namespace

TEST(ToldEpisode, ExplainsEveryStepByNamedCauses) {
  std::size_t n_long = 0;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    const World world = worlds::generate_world({.depth = 4, .seed = seed}, {});
    ToldEpisode episode = taught(world);
    play(episode);

    ASSERT_TRUE(episode.solved()) << "seed " << seed;
    EXPECT_EQ(episode.steps().size(), 4u);
    const auto events = episode.graph().events();
    for (const ToldStep& step : episode.steps()) {
      expect_paths_back_to_the_start(episode, step.act);
      EXPECT_EQ(events[step.act].text, step.step.call);
      EXPECT_EQ(events[step.observation].text, step.step.outcome.text);
      EXPECT_EQ(events[step.observation].causes.front(), step.act);
      if (episode.graph().why(step.act).size() > 6) ++n_long;
    }
  }
  EXPECT_GT(n_long, 10u) << "some ways back lead over several steps";
}

TEST(ToldEpisode, GoesOnFromAChangeInTheStateThatItMade) {
  const World world = worlds::hand_made_world();  // light lamp, wash cup, heat pan: jar open
  ToldEpisode episode = taught(world);
  play(episode);
  ASSERT_EQ(episode.steps().size(), 3u);
  const worlds::State solved = episode.state();

  const Literal dark{0, false};
  ASSERT_TRUE(episode.what_if(dark, 1).has_value());

  EXPECT_TRUE(worlds::holds(dark, episode.state()));
  EXPECT_EQ(episode.steps().size(), 1u) << "what came after step 1 is forgotten";
  ASSERT_EQ(episode.changes().size(), 1u);
  const ToldChange& change = episode.changes().front();
  EXPECT_EQ(change.change.optimal, 3);
  const auto events = episode.graph().events();
  EXPECT_EQ(events[change.event].name, "w1");
  EXPECT_EQ(events[change.event].text, "the red lamp is dark.");
  EXPECT_TRUE(events[change.event].causes.empty());

  play(episode);

  EXPECT_TRUE(episode.solved());
  ASSERT_EQ(episode.steps().size(), 4u) << "the lamp is lit a second time";
  EXPECT_EQ(episode.steps()[1].step.call, episode.steps()[0].step.call);
  EXPECT_EQ(episode.state(), solved);
  for (const ToldStep& step : episode.steps()) expect_paths_back_to_the_start(episode, step.act);
}

TEST(ToldEpisode, TakesOneChangeAfterAnother) {
  const World world = worlds::hand_made_world();
  ToldEpisode episode = taught(world);
  play(episode);

  ASSERT_TRUE(episode.what_if({0, true}, 0).has_value());
  play(episode);  // heat pan is all that is left
  EXPECT_EQ(episode.steps().size(), 1u);
  ASSERT_TRUE(episode.what_if({2, false}, 1).has_value());

  EXPECT_EQ(episode.changes().size(), 2u);
  EXPECT_EQ(episode.solved(), worlds::holds({2, true}, episode.state()))
      << "the law may open the jar again";
  ASSERT_TRUE(episode.what_if({0, true}, 0).has_value());
  EXPECT_EQ(episode.changes().size(), 1u) << "back before both";
}

TEST(ToldEpisode, RefusesWhatCannotBeChanged) {
  const World world = worlds::hand_made_world();
  ToldEpisode episode = taught(world);
  play(episode);
  const worlds::State state = episode.state();

  const auto too_late = episode.what_if({0, false}, 4);
  const auto no_change = episode.what_if({0, true}, 1);

  ASSERT_FALSE(too_late.has_value());
  EXPECT_NE(too_late.error().message.find("has 3"), std::string::npos) << too_late.error().message;
  ASSERT_FALSE(no_change.has_value());
  EXPECT_NE(no_change.error().message.find("the red lamp is lit"), std::string::npos)
      << no_change.error().message;
  EXPECT_EQ(episode.state(), state);
  EXPECT_EQ(episode.steps().size(), 3u);
  EXPECT_TRUE(episode.changes().empty());
}

TEST(ToldEpisode, EndsWhereTheGoalIsOutOfReach) {
  World world = worlds::hand_made_world();
  world.mechanisms.pop_back();  // nothing opens the jar once it is closed
  world.initial = 0b1000;
  ToldEpisode episode = taught(world);

  ASSERT_TRUE(episode.what_if({3, false}, 0).has_value());

  EXPECT_FALSE(episode.changes().front().change.goal_in_reach);
  EXPECT_TRUE(episode.done());
  EXPECT_FALSE(episode.solved());
}

TEST(ToldEpisode, FindsWhatAPersonMeans) {
  const World world = worlds::hand_made_world();
  ToldEpisode episode = taught(world);
  play(episode);

  EXPECT_EQ(*episode.find_event("2"), episode.steps()[1].act);
  EXPECT_EQ(*episode.find_event("a2"), episode.steps()[1].act);
  EXPECT_EQ(*episode.find_event("f1"), 0u);
  for (const char* name : {"0", "4", "", "a4", "2x", "-1", "99999999999999999999999"}) {
    const auto found = episode.find_event(name);
    ASSERT_FALSE(found.has_value()) << name;
    EXPECT_NE(found.error().message.find("3 steps"), std::string::npos) << found.error().message;
  }
}

}  // namespace hadal
