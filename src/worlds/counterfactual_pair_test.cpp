#include "worlds/counterfactual_pair.h"

#include "worlds/generator.h"
#include "worlds/phrase.h"
#include "worlds/test_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace hadal::worlds {
namespace {

WorldKey key_of(std::uint64_t i) {
  return {.split = Split::train,
          .domain = i % domains().size(),
          .depth = 1 + static_cast<int>(i % 4),
          .seed = 17,
          .index = i};
}

/// An event as the text alone tells it.
struct ReadEvent {
  std::string opener;
  int id;
  std::vector<int> causes;
  std::string body;
};

std::vector<ReadEvent> read_events(const std::string& text) {
  std::vector<ReadEvent> events;
  const std::string closer = "<|/ev|>";
  for (std::size_t at = text.find("<|"); at != text.npos; at = text.find("<|", at)) {
    const std::size_t end = text.find(closer, at);
    const std::string event = text.substr(at, end - at);
    const std::size_t header_end = event.find("<|:|>");
    ReadEvent read{event.substr(0, event.find("|>") + 2), -1, {}, event.substr(header_end + 5)};
    for (std::size_t e = event.find("<|e"); e < header_end; e = event.find("<|e", e + 1)) {
      const int id = std::stoi(event.substr(e + 3));
      if (read.id < 0)
        read.id = id;
      else
        read.causes.push_back(id);
    }
    events.push_back(read);
    at = end + closer.size();
  }
  return events;
}

TEST(CounterfactualPair, DiffersInXAndInDescendantsOfXAlone) {
  std::map<std::string, int> n_by_opener;
  int n_pairs = 0;
  int n_flips = 0;
  int n_same_descendants = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    WorldOptions options = varied_worlds();
    options.text_form = i % 2 == 0 ? TextForm::compact : TextForm::full;
    options.law_share = 0.4;
    const auto pair = counterfactual_pair(key_of(i), options);
    if (!pair) continue;
    ++n_pairs;
    const auto actual = read_events(text_of(pair->actual));
    const auto altered = read_events(text_of(pair->altered));
    ASSERT_EQ(actual.size(), altered.size());
    ASSERT_EQ(actual.size(), pair->events.size());

    // The closure over the cause lists, from the text.
    std::map<int, bool> from_x = {{actual[pair->x].id, true}};
    for (std::size_t round = 0; round < actual.size(); ++round)
      for (const ReadEvent& event : actual)
        for (int cause : event.causes) from_x[event.id] = from_x[event.id] || from_x[cause];
    for (std::size_t e = 0; e < actual.size(); ++e) {
      const PairEvent& event = pair->events[e];
      EXPECT_EQ(actual[e].id, event.id);
      EXPECT_EQ(altered[e].id, event.id);
      EXPECT_EQ(actual[e].opener, altered[e].opener);
      EXPECT_EQ(event.flips, actual[e].body != altered[e].body);
      if (e == pair->x) continue;
      EXPECT_EQ(event.descendant, from_x[event.id]);
      EXPECT_TRUE(event.descendant || !event.flips);
      if (!event.flips) {
        EXPECT_EQ(actual[e].causes, altered[e].causes);
      }
      n_flips += event.flips ? 1 : 0;
      n_same_descendants += event.descendant && !event.flips ? 1 : 0;
    }
    EXPECT_TRUE(pair->events[pair->x].flips);
    EXPECT_TRUE(altered[pair->x].causes.empty());
    ++n_by_opener[actual[pair->x].opener];
  }

  EXPECT_GT(n_pairs, 900);
  EXPECT_GT(n_by_opener["<|fact|>"], 200);
  EXPECT_GT(n_by_opener["<|obs|>"], 200);
  EXPECT_GT(n_flips, n_pairs);
  EXPECT_GT(n_same_descendants, n_pairs);
}

/// The weight with which event `id`, an act, is learnt: that of its cause list and call.
float weight_of_act(const std::vector<Piece>& pieces, int id) {
  for (std::size_t p = 1; p + 2 < pieces.size(); ++p)
    if (pieces[p - 1].text == "<|act|>" && pieces[p].text == fmt::format("<|e{}|>", id))
      return pieces[p + 2].weight;
  return -1.0f;
}

// The altered observations are those of a simulator that starts from the altered fact and is given
// the calls of the text.
TEST(CounterfactualPair, AlteredObservationsAreSimulated) {
  WorldOptions options = varied_worlds();
  options.text_form = TextForm::compact;
  int n_checked = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto pair = counterfactual_pair(key_of(i), options);
    if (!pair) continue;
    const auto altered = read_events(text_of(pair->altered));
    if (altered[pair->x].opener != "<|fact|>") continue;
    World world = generate_world(key_of(i), options);
    for (std::size_t v = 0; v < world.variables.size(); ++v)
      for (bool value : {false, true}) {
        const Literal l{static_cast<std::uint8_t>(v), value};
        if (fmt::format(" {}", compact_literals(world, {&l, 1})) == altered[pair->x].body)
          world.initial = with(world.initial, l);
      }
    const Narrator narrator(world, options);
    Simulator simulator(world);
    for (std::size_t e = 0; e + 1 < altered.size(); ++e) {
      if (altered[e].opener != "<|act|>") continue;
      const auto act = narrator.read_act(fmt::format("<|:|>{}", altered[e].body));
      ASSERT_TRUE(act);
      const Outcome outcome = simulator.apply(act->tool, act->arguments);
      EXPECT_EQ(altered[e + 1].body, fmt::format(" {}", narrator.outcome_text(outcome)));
      EXPECT_EQ(altered[e + 1].causes.front(), altered[e].id);
      EXPECT_EQ(weight_of_act(pair->altered, altered[e].id), outcome.valid ? 4.0f : 0.0f);
      EXPECT_EQ(weight_of_act(pair->actual, altered[e].id), 4.0f);
      ++n_checked;
    }
  }
  EXPECT_GT(n_checked, 300);
}

/// What the facts and observations of a compact text say in the end, by variable; nothing of the
/// code that asks is used.
std::map<int, bool> values_told(const World& world, const std::string& text) {
  std::map<std::string, Literal> literals;
  for (std::size_t v = 0; v < world.variables.size(); ++v)
    for (bool value : {false, true}) {
      const Literal l{static_cast<std::uint8_t>(v), value};
      literals[compact_literals(world, {&l, 1})] = l;
    }
  std::map<int, bool> values;
  for (const ReadEvent& event : read_events(text)) {
    if (event.opener != "<|fact|>" && event.opener != "<|obs|>") continue;
    std::string body = event.body.substr(1) + " and ";
    for (std::size_t end = body.find(" and "); end != body.npos; end = body.find(" and ")) {
      const auto literal = literals.find(body.substr(0, end));
      if (literal != literals.end()) values[literal->second.variable] = literal->second.value;
      body.erase(0, end + 5);
    }
  }
  return values;
}

/// yes or no, from the text alone: "do red pan hot can open jar".
std::string answer_from_text(const World& world, const std::string& prompt) {
  auto values = values_told(world, prompt.substr(0, prompt.find("<|ask|>")));
  const std::string ask = read_events(prompt.substr(0, prompt.find("<|ans|>"))).back().body;
  for (std::size_t v = 0; v < world.variables.size(); ++v)
    for (bool value : {false, true}) {
      const Literal l{static_cast<std::uint8_t>(v), value};
      if (ask.starts_with(" do " + compact_literals(world, {&l, 1}) + " can "))
        values[l.variable] = value;
    }
  for (const Mechanism& m : world.mechanisms) {
    if (!ask.ends_with(" can " + compact_call(world, m))) continue;
    for (Literal l : m.pre) {
      const auto told = values.find(l.variable);
      if (told == values.end() || told->second != l.value) return "no";
    }
    return "yes";
  }
  return "no such action";
}

TEST(CounterfactualPair, QuestionsAreAlikeAndAnsweredAsTheTextsSay) {
  WorldOptions options = varied_worlds();
  options.text_form = TextForm::compact;
  options.law_share = 0.0;
  std::map<std::string, int> n_by_answer;
  int n_asked = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto asked = counterfactual_pair_question(key_of(i), options);
    if (!asked) continue;
    ++n_asked;
    const World world = generate_world(key_of(i), options);
    EXPECT_EQ(asked->actual.substr(asked->actual.find("<|ask|>")),
              asked->altered.substr(asked->altered.find("<|ask|>")));
    EXPECT_TRUE(asked->actual.ends_with("|>"));
    EXPECT_EQ(asked->actual.find(kEosToken), std::string::npos);
    EXPECT_EQ(asked->actual_answer, answer_from_text(world, asked->actual)) << asked->actual;
    EXPECT_EQ(asked->altered_answer, answer_from_text(world, asked->altered)) << asked->altered;
    ++n_by_answer[asked->actual_answer + " " + asked->altered_answer];
  }
  EXPECT_GT(n_asked, 150);
  for (const char* answers : {"yes no", "yes yes", "no no"})
    EXPECT_GT(n_by_answer[answers], 20) << answers;
  EXPECT_EQ(n_by_answer["no yes"], 0);
}

}  // namespace
}  // namespace hadal::worlds
