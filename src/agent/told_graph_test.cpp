#include "agent/told_graph.h"

#include "worlds/generator.h"
#include "worlds/narrator.h"
#include "worlds/test_world.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

constexpr std::string_view kStory =
    "<bos>household; tools: heat."
    "<|fact|><|e3|><|:|> the stove is lit.<|/ev|>"
    "<|mech|><|e7|><|by|><|e3|><|rel|><|:|> heat pan.<|/ev|>"
    "<|mech|><|e8|><|:|> wash cup.<|/ev|>"
    "<|goal|><|e5|><|by|><|e7|><|:|> make pan hot.<|/ev|>"
    "<|act|><|e41|><|by|><|e7|><|e3|><|e42|><|:|>call<|/ev|>"
    "<|obs|><|e42|><|by|><|e41|><|:|> the pan is hot.<|/ev|>"
    "<|obs|><|e2|><|:|> the pan is cold.<|/ev|>"
    "<|act|><|e43|><|by|><|e7|><|e42|><|e2|><|:|>call<|/ev|>";

std::string told(const std::vector<WhyLine>& lines, const std::vector<ToldEvent>& events) {
  std::string text;
  for (const WhyLine& line : lines)
    text += std::string(line.depth, ' ') + events[line.event].name +
            (line.seen_before ? " above\n" : "\n");
  return text;
}

}  // namespace

TEST(ToldGraph, NamesEventsAndKeepsTheirWords) {
  ToldGraph graph;
  graph.tell(kStory);

  const auto events = graph.events();

  std::string names;
  for (const ToldEvent& event : events) names += event.name + " ";
  EXPECT_EQ(names, "f1 m1 m2 g1 a1 o1 w1 a2 ");
  EXPECT_EQ(events[0].text, "the stove is lit.");
  EXPECT_EQ(events[1].text, "heat pan.") << "what stands in the header is no text";
  EXPECT_EQ(events[4].text, "call");
  EXPECT_EQ(events[4].id, 41);
  EXPECT_EQ(events[7].causes, (std::vector<std::size_t>{1, 5, 6}));
  EXPECT_EQ(graph.goal_ancestors(), (std::vector<bool>{1, 1, 0, 1, 0, 0, 0, 0}));
}

TEST(ToldGraph, IsTheSameInWhateverPiecesItIsTold) {
  ToldGraph whole, pieces;
  whole.tell(kStory);
  std::string_view rest = kStory;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("|>"), rest.size() - 2) + 2;
    pieces.tell(rest.substr(0, end));
    rest.remove_prefix(end);
  }

  const auto a = whole.events(), b = pieces.events();

  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].text, b[i].text);
    EXPECT_EQ(a[i].causes, b[i].causes);
  }
}

TEST(ToldGraph, LeadsFromAnActBackToWhatWasTold) {
  ToldGraph graph;
  graph.tell(kStory);
  const auto events = graph.events();

  EXPECT_EQ(told(graph.why(7), events), "a2\n m1\n o1\n  a1\n   m1\n   f1\n w1\n");
  EXPECT_EQ(told(graph.why(4), events), "a1\n m1\n f1\n")
      << "o1 was told after a1, which named its id before it was known";
  EXPECT_EQ(told(graph.why(3), events), "g1\n m1\n");
}

TEST(ToldGraph, SaysOnceWhatHasManyEffects) {
  ToldGraph graph;
  graph.tell(
      "<|fact|><|e0|><|:|> x<|/ev|><|act|><|e1|><|by|><|e0|><|:|> x<|/ev|>"
      "<|obs|><|e2|><|by|><|e1|><|:|> x<|/ev|><|act|><|e3|><|by|><|e2|><|:|> x<|/ev|>"
      "<|obs|><|e4|><|by|><|e3|><|:|> x<|/ev|><|act|><|e5|><|by|><|e2|><|e4|><|:|> x<|/ev|>");

  EXPECT_EQ(told(graph.why(5), graph.events()), "a3\n o1\n  a1\n   f1\n o2\n  a2\n   o1 above\n");
}

TEST(ToldGraph, SurvivesAnyText) {
  ToldGraph graph;
  graph.tell("<|/ev|><|by|><|e1|><| |> <|<|act|><|:|>|><|fact|><|act|><|e1|><|by|><|e1|><|e95|>");

  for (std::size_t i = 0; i < graph.size(); ++i) EXPECT_EQ(graph.why(i).size(), 1u);
  EXPECT_TRUE(ToldGraph().events().empty());
  EXPECT_TRUE(ToldGraph().goal_ancestors().empty());
}

TEST(ToldGraph, MarksTheMechanismsThatLeadToTheGoal) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto options = worlds::varied_worlds();
    const worlds::World world = worlds::generate_world({.depth = 3, .seed = seed}, options);
    worlds::Narrator narrator(world, options);
    ToldGraph graph;
    graph.tell(worlds::text_of(narrator.prompt()));

    const auto marks = graph.goal_ancestors();

    const auto expected = worlds::goal_ancestors(world);
    const auto events = graph.events();
    std::size_t n_found = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (events[i].kind != EventKind::mech) continue;
      const int mechanism = narrator.mechanism_of(events[i].id);
      ASSERT_GE(mechanism, 0);
      EXPECT_EQ(marks[i], expected[static_cast<std::size_t>(mechanism)]) << "seed " << seed;
      ++n_found;
    }
    EXPECT_EQ(n_found, expected.size());
  }
}

}  // namespace hadal
