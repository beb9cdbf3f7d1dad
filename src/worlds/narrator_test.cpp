// The narratives are checked from their text alone: a small reader below turns events back into
// literals and recomputes cause lists, marks and effects without the code that wrote them.
#include "worlds/narrator.h"

#include "worlds/generator.h"
#include "worlds/narrative.h"
#include "worlds/test_world.h"
#include "worlds/text_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace hadal::worlds {
namespace {

struct ReadEvent {
  std::string kind;  // "fact", "mech", "goal", "act", "obs"
  int id = -1;
  std::vector<int> causes;
  bool marked = false;
  std::string body;  // without the leading space
};

std::vector<ReadEvent> read_events(const std::string& text) {
  std::vector<ReadEvent> events;
  std::size_t at = 0;
  while ((at = text.find("<|", at)) != std::string::npos) {
    ReadEvent event;
    const std::size_t header_end = text.find("<|:|>", at);
    const std::size_t end = text.find("<|/ev|>", at);
    std::string header = text.substr(at, header_end - at);
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < header.size(); i = header.find("|>", i) + 2)
      tokens.push_back(header.substr(i + 2, header.find("|>", i) - i - 2));
    event.kind = tokens[0];
    event.id = std::stoi(tokens[1].substr(1));
    for (std::size_t i = 2; i < tokens.size(); ++i) {
      if (tokens[i] == "rel")
        event.marked = true;
      else if (tokens[i] != "by")
        event.causes.push_back(std::stoi(tokens[i].substr(1)));
    }
    event.body = text.substr(header_end + 5, end - header_end - 5);
    if (event.body.starts_with(' ')) event.body.erase(0, 1);
    events.push_back(std::move(event));
    at = end + 7;
  }
  return events;
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t to; (to = text.find(separator, from)) != std::string::npos;
       from = to + separator.size())
    parts.push_back(text.substr(from, to - from));
  parts.push_back(text.substr(from));
  return parts;
}

/// The one meaning of a text.
template <typename Reading>
Reading only(const std::vector<Reading>& readings, const std::string& text) {
  EXPECT_EQ(readings.size(), 1u) << text;
  return readings.empty() ? Reading{} : readings.front();
}

/// "heat red pan" from the call of an act.
std::string read_call(const std::string& body) {
  const auto between = [&](const std::string& open, const std::string& close) {
    const std::size_t i = body.find(open) + open.size();
    return body.substr(i, body.find(close, i) - i);
  };
  return between("invoke name=\"", "\"") + " " + between("string=\"true\">", "<");
}

/// Facts, mechanisms and the state of the story as far as it was read.
struct Story {
  TextReader reader;
  std::map<int, ReadMechanism> mechanisms;
  std::map<std::string, int> made_by;  // every literal that holds: the event that made it so

  std::set<int> causes_of(const std::vector<std::string>& literals,
                          const std::map<std::string, int>& facts) const {
    std::set<int> causes;
    for (const std::string& literal : literals) {
      if (facts.contains(literal)) causes.insert(facts.at(literal));
      for (const auto& [id, m] : mechanisms)
        if (std::find(m.eff.begin(), m.eff.end(), literal) != m.eff.end()) causes.insert(id);
    }
    return causes;
  }
  bool holds(const std::string& literal) const { return made_by.contains(literal); }
  void assert_literal(const std::string& literal, int event) {
    if (holds(literal)) return;
    for (const std::string& other : reader.opposites(literal)) made_by.erase(other);
    made_by[literal] = event;
  }
};

std::set<int> as_set(const std::vector<int>& ids) {
  return {ids.begin(), ids.end()};
}

void check_story(const std::string& text) {
  const std::vector<ReadEvent> events = read_events(text);
  const auto domain = std::find_if(domains().begin(), domains().end(), [&](const Domain& d) {
    return text.starts_with(fmt::format("{}{};", kBosToken, d.name));
  });
  ASSERT_NE(domain, domains().end());
  Story story{TextReader(*domain), {}, {}};
  const auto literal_of_sentence = [&](const std::string& sentence) {
    const auto literal = story.reader.sentence(sentence);
    EXPECT_TRUE(literal.has_value()) << sentence;
    return literal.value_or("");
  };
  const auto read_goal = [&](const std::string& body) {
    return only(story.reader.goal(body), body);
  };
  std::map<std::string, int> facts;
  std::map<int, std::set<int>> graph;
  for (const ReadEvent& event : events) {
    if (event.kind == "fact")
      facts[literal_of_sentence(event.body.substr(0, event.body.size() - 1))] = event.id;
    if (event.kind == "mech")
      story.mechanisms[event.id] = only(story.reader.mechanism(event.body), event.body);
  }
  story.made_by = facts;
  std::set<int> ancestors;
  int act = -1;
  std::string call;
  for (const ReadEvent& event : events) {
    SCOPED_TRACE(event.kind + std::to_string(event.id) + " " + event.body);
    EXPECT_EQ(as_set(event.causes).size(), event.causes.size()) << "no cause is named twice";
    if (event.kind == "fact") {
      EXPECT_TRUE(event.causes.empty());
    }
    if (event.kind == "mech") {
      EXPECT_EQ(as_set(event.causes), story.causes_of(story.mechanisms[event.id].pre, facts));
      graph[event.id] = as_set(event.causes);
    }
    if (event.kind == "goal") {
      EXPECT_EQ(as_set(event.causes), story.causes_of(read_goal(event.body), facts));
      std::vector<int> open = event.causes;
      while (!open.empty()) {
        const int id = open.back();
        open.pop_back();
        if (ancestors.insert(id).second)
          open.insert(open.end(), graph[id].begin(), graph[id].end());
      }
    }
    if (event.kind == "act") {
      act = event.id;
      call = read_call(event.body);
      ASSERT_FALSE(event.causes.empty());
      const ReadMechanism& used = story.mechanisms[event.causes[0]];
      EXPECT_EQ(used.call, call);
      std::vector<int> expected = {event.causes[0]};
      for (const std::string& literal : used.pre)
        if (story.holds(literal) &&
            std::find(expected.begin(), expected.end(), story.made_by[literal]) == expected.end())
          expected.push_back(story.made_by[literal]);
      EXPECT_EQ(event.causes, expected);
    }
    if (event.kind == "obs") {
      ASSERT_FALSE(event.causes.empty());
      EXPECT_EQ(event.causes[0], act);
      const auto used = std::find_if(
          story.mechanisms.begin(), story.mechanisms.end(),
          [&](const auto& entry) { return !entry.second.is_law && entry.second.call == call; });
      ASSERT_NE(used, story.mechanisms.end());
      const auto unmet =
          std::find_if(used->second.pre.begin(), used->second.pre.end(),
                       [&](const std::string& literal) { return !story.holds(literal); });
      if (unmet != used->second.pre.end()) {
        const std::size_t space = unmet->rfind(' ');
        EXPECT_EQ(event.body, "nothing happens: the " + unmet->substr(0, space) + " is not " +
                                  unmet->substr(space + 1) + ".");
        EXPECT_EQ(event.causes.size(), 1u);
        continue;
      }
      std::vector<std::string> expected = used->second.eff;
      for (std::size_t i = 1; i < event.causes.size(); ++i) {
        const ReadMechanism& law = story.mechanisms[event.causes[i]];
        EXPECT_TRUE(law.is_law);
        expected.insert(expected.end(), law.eff.begin(), law.eff.end());
      }
      std::vector<std::string> told;
      for (const std::string& sentence : split(event.body.substr(0, event.body.size() - 1), ", "))
        told.push_back(literal_of_sentence(sentence));
      EXPECT_EQ(told, expected);
      for (const std::string& literal : told) story.assert_literal(literal, event.id);
      // No law is left that should have fired.
      for (const auto& [id, law] : story.mechanisms)
        if (law.is_law && std::all_of(law.pre.begin(), law.pre.end(),
                                      [&](const auto& l) { return story.holds(l); })) {
          EXPECT_TRUE(std::all_of(law.eff.begin(), law.eff.end(),
                                  [&](const auto& l) { return story.holds(l); }));
        }
    }
  }
  for (const ReadEvent& event : events)
    if (event.kind == "mech") {
      EXPECT_EQ(event.marked, ancestors.contains(event.id)) << event.body;
    }
  const auto goal = std::find_if(events.begin(), events.end(),
                                 [](const ReadEvent& e) { return e.kind == "goal"; });
  for (const std::string& literal : read_goal(goal->body)) EXPECT_TRUE(story.holds(literal));
}

WorldKey key_of(std::uint64_t i) {
  return {.split = i % 2 == 0 ? Split::train : Split::test,
          .depth = static_cast<int>(i % 3) + 1,
          .seed = 7,
          .index = i};
}

/// The same in all domains.
WorldKey mixed_key_of(std::uint64_t i) {
  WorldKey key = key_of(i);
  key.domain = i / 3 % domains().size();
  return key;
}

TEST(Narrative, CausesMarksAndEffectsFollowFromTheTextAlone) {
  const WorldOptions options{
      .law_share = 0.5, .mutex_share = 0.4, .spare_share = 0.5, .second_effect_share = 0.4};
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string text = text_of(training_narrative(mixed_key_of(i), options));
    SCOPED_TRACE(text);
    check_story(text);
    if (HasFailure()) return;
  }
}

TEST(Narrative, DefaultOptionsKeepTheRulesToo) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string text = text_of(training_narrative(mixed_key_of(i), varied_worlds()));
    SCOPED_TRACE(text);
    check_story(text);
    if (HasFailure()) return;
  }
}

TEST(Narrative, SameKeySameText) {
  for (std::uint64_t i = 100; i-- > 0;)
    EXPECT_EQ(text_of(training_narrative(mixed_key_of(i), varied_worlds())),
              text_of(training_narrative(mixed_key_of(i), varied_worlds())));
  EXPECT_NE(text_of(training_narrative(mixed_key_of(1), varied_worlds())),
            text_of(training_narrative(mixed_key_of(7), varied_worlds())));
}

// Published tables and resumed training runs rest on this stream. Whoever changes words, defaults
// or the order of draws on purpose measures again and then writes the new number here.
TEST(Narrative, StreamIsTheOneThatWasPublished) {
  std::string text;
  for (std::uint64_t i = 0; i < 300; ++i)
    text += text_of(training_narrative(key_of(i), varied_worlds()));
  EXPECT_EQ(fnv1a64(text), 2264193799766750959u);
}

TEST(Narrative, PiecesAreCutAtSpecialTokens) {
  const auto ends_special = [](const std::string& t) {
    return t.ends_with("|>") || t.ends_with("｜>");
  };
  const auto begins_special = [](const std::string& t) {
    return t.starts_with("<|") || t.starts_with("<｜");
  };
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto pieces = training_narrative(mixed_key_of(i), varied_worlds());
    for (std::size_t p = 0; p + 1 < pieces.size(); ++p)
      EXPECT_TRUE(ends_special(pieces[p].text) || begins_special(pieces[p + 1].text))
          << pieces[p].text;
    EXPECT_EQ(pieces.front().text, kBosToken);
    EXPECT_EQ(pieces.back().text, kEosToken);
  }
}

TEST(Narrative, MistakesCarryNoLossAndTheirObservationsDo) {
  const World world = hand_made_world();
  Narrator narrator(world, {});
  narrator.prompt();
  narrator.act_prefix();
  EXPECT_EQ(narrator.act_body(1, true)[0].weight, 0.0f);
  EXPECT_EQ(narrator.act_body(0, false)[0].weight, LossWeights{}.act);
  Simulator simulator(world);
  EXPECT_EQ(narrator.observation(simulator.apply(1)).back().weight, LossWeights{}.observation);
}

TEST(Narrative, FactsComeFirstAndTopologicalOrderPutsCausesBeforeEffects) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto events =
        read_events(text_of(training_narrative(mixed_key_of(i), {.topological_share = 1.0})));
    std::set<int> told;
    bool mechanism_seen = false;
    for (const ReadEvent& event : events) {
      mechanism_seen = mechanism_seen || event.kind == "mech";
      if (event.kind == "fact") {
        EXPECT_FALSE(mechanism_seen);
      }
      for (int cause : event.causes) EXPECT_TRUE(told.contains(cause)) << event.body;
      told.insert(event.id);
    }
  }
}

TEST(Narrative, MarksCanBeTurnedOff) {
  const std::string text = text_of(training_narrative(mixed_key_of(0), {.ancestor_marks = false}));
  EXPECT_EQ(text.find("<|rel|>"), std::string::npos);
}

// Play and training must show the model the same text.
TEST(Narrator, StepByStepEqualsTheTrainingText) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::string whole = text_of(training_narrative(mixed_key_of(i), varied_worlds()));
    const World world = generate_world(mixed_key_of(i), varied_worlds());
    Narrator narrator(world, varied_worlds());
    Simulator simulator(world);
    std::string text = text_of(narrator.prompt());
    while (!simulator.goal_reached()) {
      text += text_of(narrator.act_prefix());
      ASSERT_TRUE(whole.starts_with(text));
      const std::size_t end = whole.find("<|/ev|>", text.size()) + 7;
      const std::string written = whole.substr(text.size(), end - text.size());
      const auto act = parse_act(written);
      ASSERT_TRUE(act.has_value());
      const Outcome outcome = simulator.apply(act->tool, act->arguments);
      ASSERT_EQ(narrator.mechanism_of(act->causes.at(0)), outcome.mechanism);
      EXPECT_EQ(act->causes, narrator.act_causes(outcome.mechanism));
      text += written + text_of(narrator.observation(outcome));
    }
    EXPECT_EQ(text + text_of(narrator.ending()), whole);
  }
}

TEST(Narrator, KnowsWhatAnEventSays) {
  const World world = hand_made_world();
  Narrator narrator(world, {});
  const auto events = read_events(text_of(narrator.prompt()));
  for (const ReadEvent& event : events) EXPECT_EQ(narrator.event_text(event.id), event.body);
  EXPECT_EQ(narrator.event_text(-1), "");
  EXPECT_EQ(narrator.event_text(96), "");
  EXPECT_EQ(narrator.mechanism_of(-1), -1);
}

TEST(Narrator, CausesAreOfTheSameValueAndNamedOnce) {
  World world = hand_made_world();
  world.mechanisms[1].pre = {{0, true},
                             {3, false}};  // both made by action 0; the fact says the opposite
  Narrator narrator(world, {});
  Simulator simulator(world);
  const auto events = read_events(text_of(narrator.prompt()));
  const auto heat = std::find_if(events.begin(), events.end(), [&](const ReadEvent& e) {
    return narrator.mechanism_of(e.id) == 1;
  });
  ASSERT_EQ(heat->causes.size(), 1u);
  EXPECT_EQ(narrator.mechanism_of(heat->causes[0]), 0);
  EXPECT_EQ(narrator.act_causes(1), std::vector<int>{heat->id})
      << "nothing it needs was made true yet";
  narrator.act_prefix();
  const auto observation = read_events(text_of(narrator.observation(simulator.apply(0))));
  EXPECT_EQ(narrator.act_causes(1), (std::vector<int>{heat->id, observation[0].id}));
}

TEST(Narrator, ReusesTheOldestIdsInALongConversation) {
  const World world = hand_made_world();
  Narrator narrator(world, {});
  Simulator simulator(world);
  std::string text = text_of(narrator.prompt());
  for (int i = 0; i < 60; ++i) {
    text += text_of(narrator.act_prefix());
    text += text_of(narrator.act_body(0, false));
    text += text_of(narrator.observation(simulator.apply(0)));
  }
  const auto events = read_events(text);
  ASSERT_GT(events.size(), 96u);
  for (std::size_t i = 96; i < events.size(); ++i) {
    const auto here = events.begin() + static_cast<std::ptrdiff_t>(i);
    EXPECT_EQ(std::count_if(here - 95, here, [&](const ReadEvent& e) { return e.id == here->id; }),
              0);
    EXPECT_EQ((here - 96)->id, here->id);
  }
}

TEST(ParseAct, ReadsWhatATeacherWrites) {
  const World world = hand_made_world();
  const auto act =
      parse_act("<|e7|><|e95|><|:|>" + call_text(world, world.mechanisms[1]) + "<|/ev|><|obs|>");
  ASSERT_TRUE(act.has_value());
  EXPECT_EQ(act->causes, (std::vector<int>{7, 95}));
  EXPECT_EQ(act->tool, "heat");
  ASSERT_EQ(act->arguments.size(), 1u);
  EXPECT_EQ(act->arguments[0].name, "item");
  EXPECT_EQ(act->arguments[0].value, "blue pan");
}

TEST(ParseAct, AnyBeginningOfAnActIsHandled) {
  const World world = hand_made_world();
  const std::string whole = "<|e7|><|:|>" + call_text(world, world.mechanisms[1]) + "<|/ev|>";
  const std::string closer = "<|/ev|>";
  for (std::size_t n = 0; n <= whole.size(); ++n)
    EXPECT_EQ(parse_act(whole.substr(0, n)).has_value(), n >= whole.size() - closer.size()) << n;
}

TEST(ParseAct, DropsIdsThatCannotBe) {
  const World world = hand_made_world();
  const auto act = parse_act("<|e96|><|e-1|><|e|><|e999999999999|><|e3x|><|e5|><|:|>" +
                             call_text(world, world.mechanisms[0]));
  ASSERT_TRUE(act.has_value());
  EXPECT_EQ(act->causes, std::vector<int>{5});
}

TEST(ParseAct, ACallBehindTheCloserDoesNotCount) {
  const World world = hand_made_world();
  EXPECT_FALSE(parse_act("<|e1|><|:|><|/ev|>" + call_text(world, world.mechanisms[0])).has_value());
  EXPECT_FALSE(parse_act("no header at all").has_value());
}

TEST(CompactText, AnActWithoutWordsIsTheActionThatItNamesFirst) {
  WorldOptions options;
  options.text_form = TextForm::compact;
  options.act_words = false;
  const World world = generate_world({.split = Split::train, .depth = 2, .seed = 5}, options);
  Narrator narrator(world, options);
  narrator.prompt();
  narrator.act_prefix();
  for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
    const Mechanism& mechanism = world.mechanisms[m];
    const std::string body = text_of(narrator.act_body(static_cast<int>(m), false));
    EXPECT_TRUE(body.ends_with("<|:|><|/ev|>")) << body;
    const auto act = narrator.read_act(body);
    ASSERT_EQ(act.has_value(), mechanism.kind == MechanismKind::action) << body;
    if (!act) continue;
    EXPECT_EQ(act->tool, tool_name(world, mechanism));
    ASSERT_EQ(act->arguments.size(), 1u);
    EXPECT_EQ(act->arguments.front().value, item_name(world, mechanism));
  }
  EXPECT_FALSE(narrator.read_act("<|:|><|/ev|>"));
  EXPECT_FALSE(narrator.read_act("<|e1|><|e2|>"));
}

TEST(CompactText, BodiesAreBareWordsAndHeadersStay) {
  WorldOptions compact = varied_worlds();
  compact.text_form = TextForm::compact;
  const World world = hand_made_world();
  Narrator narrator(world, compact);
  Simulator simulator(world);

  const std::string prompt = text_of(narrator.prompt());
  narrator.act_prefix();
  const auto refused = narrator.observation(simulator.apply(1));
  narrator.act_prefix();
  const std::string act = text_of(narrator.act_body(0, false));
  const auto done = narrator.observation(simulator.apply(0));

  EXPECT_TRUE(prompt.starts_with(std::string(kBosToken) + " household<|"));
  for (const char* body :
       {"<|:|> big cup clean<|/ev|>",
        "<|:|> light red lamp then red lamp lit and big cup dirty<|/ev|>",
        "<|:|> heat blue pan if red lamp lit and big cup clean then blue pan hot<|/ev|>",
        "<|:|> if blue pan hot then old jar open<|/ev|>", "<|:|> old jar open<|/ev|>"})
    EXPECT_NE(prompt.find(body), std::string::npos) << body << " in " << prompt;
  EXPECT_TRUE(act.ends_with("<|:|> light red lamp<|/ev|>")) << act;
  EXPECT_TRUE(text_of(refused).ends_with("<|:|> nothing: red lamp dark<|/ev|>"));
  EXPECT_TRUE(text_of(done).ends_with("<|:|> red lamp lit and big cup dirty<|/ev|>"));
}

/// Text of the special tokens alone.
std::string skeleton(std::string_view text) {
  std::string tokens;
  while (true) {
    const std::size_t begin = text.find("<|");
    const std::size_t end = begin == text.npos ? begin : text.find("|>", begin);
    if (end == text.npos) return tokens;
    tokens += text.substr(begin, end + 2 - begin);
    text.remove_prefix(end + 2);
  }
}

TEST(CompactText, HasTheEventsAndHeadersOfTheFullText) {
  WorldOptions compact = varied_worlds();
  compact.text_form = TextForm::compact;
  for (std::uint64_t i = 0; i < 200; ++i)
    EXPECT_EQ(skeleton(text_of(training_narrative(key_of(i), compact))),
              skeleton(text_of(training_narrative(key_of(i), varied_worlds()))));
}

TEST(CompactText, EveryActOfATeacherIsReadBack) {
  WorldOptions compact = varied_worlds();
  compact.text_form = TextForm::compact;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const World world = generate_world(key_of(i), compact);
    Narrator narrator(world, compact);
    narrator.prompt();
    for (std::size_t m = 0; m < world.mechanisms.size(); ++m) {
      if (world.mechanisms[m].kind != MechanismKind::action) continue;
      const auto index = static_cast<int>(m);
      const auto act = narrator.read_act(text_of(narrator.act_body(index, false)));
      ASSERT_TRUE(act);
      EXPECT_EQ(act->causes, narrator.act_causes(index));
      EXPECT_EQ(Simulator(world).apply(act->tool, act->arguments).mechanism, index);
    }
  }
}

TEST(CompactText, MalformedCallsAreNone) {
  for (const char* text :
       {"", " light red lamp", "<|e1|><|:|>", "<|e1|><|:|><|/ev|>", "<|e1|><|:|> light<|/ev|>",
        "<|e1|><|:|>  light lamp<|/ev|>", "<|e1|><|:|> light  lamp<|/ev|>",
        "<|e1|><|:|> light lamp <|/ev|>", "<|e1|><|:|> <|/ev|> light lamp"})
    EXPECT_FALSE(parse_compact_act(text, "item")) << text;
  const auto act = parse_compact_act("<|e1|><|e2|><|:|> light red lamp<|/ev|><|obs|>", "item");
  ASSERT_TRUE(act);
  EXPECT_EQ(act->causes, (std::vector<int>{1, 2}));
  EXPECT_EQ(act->tool, "light");
  EXPECT_EQ(act->arguments.front().name, "item");
  EXPECT_EQ(act->arguments.front().value, "red lamp");
}

TEST(StructureTokens, AreAllDifferent) {
  const auto tokens = structure_tokens();
  EXPECT_EQ(std::set<std::string>(tokens.begin(), tokens.end()).size(), tokens.size());
  EXPECT_EQ(tokens.size(), 11u + kEventIds);
}

}  // namespace
}  // namespace hadal::worlds
