#include "chat/stream_parser.h"

#include "base/random.h"
#include "chat/prompt_encoder.h"
#include "chat/prompt_template.h"
#include "chat/python_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

/// What a stream became: the message, the deltas joined, how it ended.
struct Outcome {
  Message message;
  std::string reasoning, content;
  std::vector<ToolCall> calls;  ///< from the events, dropped calls included
  std::vector<std::size_t> dropped;
  FinishReason finish_reason = FinishReason::stop;
  std::array<std::size_t, kNumRepairs> repairs{};

  bool operator==(const Outcome&) const = default;
  std::size_t n(Repair repair) const { return repairs[static_cast<std::size_t>(repair)]; }
};

/// Joins deltas, and checks that events come in an order that a client can follow.
class Collector {
 public:
  void add(const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) std::visit([this](const auto& e) { take(e); }, event);
  }
  Outcome outcome;

 private:
  void take(const ReasoningDelta& e) {
    EXPECT_FALSE(e.text.empty());
    EXPECT_TRUE(outcome.content.empty() && outcome.calls.empty());
    outcome.reasoning += e.text;
  }
  void take(const ContentDelta& e) {
    EXPECT_FALSE(e.text.empty());
    EXPECT_FALSE(open_);
    outcome.content += e.text;
  }
  void take(const ToolCallBegin& e) {
    EXPECT_FALSE(open_);
    EXPECT_EQ(e.index, outcome.calls.size());
    outcome.calls.push_back({e.id, e.name, {}});
    open_ = true;
  }
  void take(const ToolCallArgumentsDelta& e) {
    EXPECT_FALSE(e.text.empty());
    ASSERT_TRUE(is_last_open(e.index));
    outcome.calls.back().arguments += e.text;
  }
  void take(const ToolCallEnd& e) {
    ASSERT_TRUE(is_last_open(e.index));
    open_ = false;
  }
  void take(const ToolCallDropped& e) {
    ASSERT_TRUE(is_last_open(e.index));
    open_ = false;
    outcome.dropped.push_back(e.index);
  }
  bool is_last_open(std::size_t index) const { return open_ && index + 1 == outcome.calls.size(); }

  bool open_ = false;
};

struct Stream {
  std::string text;
  AnswerStart start = AnswerStart::content;
  GenerationEnd end = GenerationEnd::stop;
};

std::size_t random_below(RandomStream& random, std::size_t n) {
  return random.below(static_cast<std::uint32_t>(n));
}

/// Feeds the pieces between the cuts (ascending).
Outcome parse(const Stream& stream, const std::vector<std::size_t>& cuts = {}) {
  StreamParser parser({.start = stream.start});
  Collector collector;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    collector.add(parser.feed(std::string_view(stream.text).substr(from, cut - from)));
    from = cut;
  }
  collector.add(parser.feed(std::string_view(stream.text).substr(from)));
  ParsedCompletion parsed = parser.finish(stream.end);
  collector.add(parsed.last_events);
  collector.outcome.message = std::move(parsed.message);
  collector.outcome.finish_reason = parsed.finish_reason;
  collector.outcome.repairs = parsed.repairs;
  return collector.outcome;
}

std::string call_block(std::string_view inside, std::string_view before = "") {
  return fmt::format("{}\n\n<｜DSML｜tool_calls>\n{}</｜DSML｜tool_calls>", before, inside);
}
std::string invoke(std::string_view name, std::string_view inside) {
  return fmt::format("<｜DSML｜invoke name=\"{}\">\n{}</｜DSML｜invoke>\n", name, inside);
}
std::string parameter(std::string_view name, std::string_view is_string, std::string_view value) {
  return fmt::format("<｜DSML｜parameter name=\"{}\" string=\"{}\">{}</｜DSML｜parameter>\n", name,
                     is_string, value);
}
std::string text_parameter(std::string_view name, std::string_view value) {
  return parameter(name, "true", value);
}
std::string json_parameter(std::string_view name, std::string_view value) {
  return parameter(name, "false", value);
}
const std::string kEosText{kEosToken};
const std::string kWeather =
    invoke("w", text_parameter("city", "Paris") + json_parameter("days", "3"));
constexpr const char* kWeatherArguments = R"({"city": "Paris", "days": 3})";

constexpr auto kReasoning = AnswerStart::reasoning;
constexpr auto kContent = AnswerStart::content;
constexpr auto kLimit = GenerationEnd::limit;

/// Streams of every kind, for the properties.
std::vector<Stream> all_streams() {
  return {
      {"Hello, 世界! 😀\n\n\nBye.\n" + kEosText},
      {"R1\n\nR2</think>A < B </ C <｜ D\n" + kEosText, kReasoning},
      {"<think>R</think>A" + kEosText},
      {"R</think>\n\n<｜DSML｜tool_calls>\n" + kWeather + "</｜DSML｜tool_calls>" + kEosText,
       kReasoning},
      {call_block(kWeather + invoke("g", "\n"), "A") + kEosText},
      {call_block(kWeather, "R") + "</think> more</think>" + kEosText, kReasoning},
      {"A\n<｜DSML｜tool_calls>" + kWeather + "</｜DSML｜tool_calls>\n\nafter\n"},
      {call_block(invoke("w", text_parameter("t", "a\n<b>\n") + text_parameter("t", "twice")),
                  "A")},
      {call_block(kWeather, "A").substr(0, 150), kContent, kLimit},
      {"A\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"w\">\n<｜DSML｜parameter name=\"a\" "
       "string=\"true\">x\n"
       "<｜DSML｜parameter name=\"b\" string=\"false\">[1,\n<｜DSML｜invoke "
       "name=\"v\">\n</｜DSML｜tool_calls>"},
      {call_block("just text <｜DSML｜foo>\n", "A") + "B"},
      {"A ｜DSML｜ b <｜DSML｜x y> c </｜DSML｜invoke>\n\n" + kWeather},
      {call_block(invoke("w", text_parameter("\x80", "\xF0\x9F")), "bad \xE4\xBD bytes \xFF")},
      {"", kReasoning},
  };
}

}  // namespace

TEST(StreamParser, SplitsReasoningFromTheAnswer) {
  const Outcome outcome = parse({"Because.</think>Yes." + kEosText, kReasoning});
  EXPECT_EQ(outcome.message.reasoning_content, "Because.");
  EXPECT_EQ(outcome.message.content, "Yes.");
  EXPECT_EQ(outcome.message.role, Role::assistant);
  EXPECT_EQ(outcome.finish_reason, FinishReason::stop);
}

TEST(StreamParser, UnderstandsAThinkTagAtTheStart) {
  for (const AnswerStart start : {kContent, kReasoning}) {
    const Outcome outcome = parse({"<think>R</think>A", start});
    EXPECT_EQ(outcome.message.reasoning_content, "R");
    EXPECT_EQ(outcome.message.content, "A");
  }
  EXPECT_EQ(parse({"</think>A"}).message.content, "A");
  EXPECT_EQ(parse({"no <think> here"}).message.content, "no <think> here");
  const Outcome silent = parse({"</think>A", kReasoning});
  EXPECT_EQ(silent.message.content, "A");
  EXPECT_EQ(silent.message.reasoning_content, "");
}

TEST(StreamParser, TakesUnfinishedThoughtsAsReasoning) {
  const Outcome outcome = parse({"still thinking\n", kReasoning, kLimit});
  EXPECT_EQ(outcome.message.reasoning_content, "still thinking\n");
  EXPECT_EQ(outcome.message.content, "");
  EXPECT_EQ(outcome.finish_reason, FinishReason::length);
}

TEST(StreamParser, ReadsToolCalls) {
  const Outcome outcome = parse(
      {call_block(kWeather + invoke("now", "\n"), "R</think>Let me see.") + kEosText, kReasoning});
  EXPECT_EQ(outcome.message.reasoning_content, "R");
  EXPECT_EQ(outcome.message.content, "Let me see.");
  const std::vector<ToolCall> calls = {{"call_0", "w", kWeatherArguments}, {"call_1", "now", "{}"}};
  EXPECT_EQ(outcome.message.tool_calls, calls);
  EXPECT_EQ(outcome.finish_reason, FinishReason::tool_calls);
  EXPECT_EQ(outcome.repairs, (std::array<std::size_t, kNumRepairs>{}));
}

TEST(StreamParser, KeepsValuesAsTheyAre) {
  const std::string value = " \n\"q\" \\ <b> </think> <｜DSML｜odd> ｜DSML｜ & \t\x01 世界\n\n";
  const Outcome outcome = parse({call_block(
      invoke("w", text_parameter("k\"ey", value) + json_parameter("j", " [1, {\"a\": null}] ") +
                      json_parameter("s", "\"text\"")))});
  ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
  const auto arguments = parse_exact_json(outcome.message.tool_calls[0].arguments, "arguments");
  ASSERT_TRUE(arguments) << arguments.error().message;
  EXPECT_EQ(arguments->at("k\"ey").get<std::string>(), value);
  EXPECT_EQ(python_json(arguments->at("j")), "[1, {\"a\": null}]");
  EXPECT_EQ(arguments->at("s").get<std::string>(), "text");
}

TEST(StreamParser, RemovesOnlyTheSeparatorOfABlock) {
  EXPECT_EQ(parse({call_block(kWeather, "A\n\n\n")}).message.content, "A\n\n\n");
  EXPECT_EQ(parse({"A\n\n\n"}).message.content, "A\n\n\n");
  EXPECT_EQ(parse({"A\n\n" + kEosText + "ignored"}).message.content, "A\n\n");
}

// The letters are those of deepseek-v4.md 11.5.
TEST(StreamParser, RepairsAMissingEndOfThinking) {  // (a)
  const Outcome outcome = parse({call_block(kWeather, "R") + kEosText, kReasoning});
  EXPECT_EQ(outcome.message.reasoning_content, "R");
  EXPECT_EQ(outcome.message.content, "");
  ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
  EXPECT_EQ(outcome.message.tool_calls[0].arguments, kWeatherArguments);
  EXPECT_EQ(outcome.n(Repair::think_end_missing), 1u);
}

TEST(StreamParser, RepairsAShortSeparator) {  // (b)
  for (const char* separator : {"", "\n"}) {
    const Outcome outcome = parse(
        {fmt::format("A{}<｜DSML｜tool_calls>\n{}</｜DSML｜tool_calls>", separator, kWeather)});
    EXPECT_EQ(outcome.message.content, "A");
    EXPECT_EQ(outcome.message.tool_calls.size(), 1u);
    EXPECT_EQ(outcome.n(Repair::separator_short), 1u);
  }
}

TEST(StreamParser, DropsACallThatTheLimitCut) {  // (c)
  const std::string whole = call_block(kWeather + kWeather, "A");
  const std::size_t first_call =
      whole.find("</｜DSML｜invoke>") + std::string("</｜DSML｜invoke>").size();
  const std::size_t block_tag_end = whole.find('>');
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const Outcome outcome = parse({whole.substr(0, size), kContent, kLimit});
    EXPECT_EQ(outcome.finish_reason, FinishReason::length) << size;
    if (size < first_call) {
      EXPECT_TRUE(outcome.message.tool_calls.empty()) << size;
    } else {
      ASSERT_GE(outcome.message.tool_calls.size(), 1u) << size;
      EXPECT_EQ(outcome.message.tool_calls[0].arguments, kWeatherArguments);
    }
    EXPECT_EQ(outcome.calls.size(), outcome.message.tool_calls.size() + outcome.dropped.size());
    // of the separator and the first bracket, what may be text is shown; nothing else is
    EXPECT_TRUE(std::string_view("A\n\n<").starts_with(outcome.message.content)) << size;
    if (size > block_tag_end) {
      EXPECT_EQ(outcome.message.content, "A") << size;
    }
  }
  EXPECT_EQ(parse({whole, kContent, kLimit}).finish_reason, FinishReason::tool_calls);
}

TEST(StreamParser, ClosesTagsBeforeTheNext) {  // (d)
  const std::string a = "<｜DSML｜parameter name=\"a\" string=\"true\">x",
                    b = text_parameter("b", "y");
  for (const std::string gap : {"", "\n"}) {
    const Outcome parameter = parse({call_block(invoke("w", a + gap + b))});
    ASSERT_EQ(parameter.message.tool_calls.size(), 1u);
    EXPECT_EQ(parameter.message.tool_calls[0].arguments, R"({"a": "x", "b": "y"})");
    EXPECT_EQ(parameter.n(Repair::close_tag_missing), 1u);

    const Outcome both = parse({call_block("<｜DSML｜invoke name=\"v\">\n" + a + gap + kWeather)});
    ASSERT_EQ(both.message.tool_calls.size(), 2u);
    EXPECT_EQ(both.message.tool_calls[0].arguments, R"({"a": "x"})");
    EXPECT_EQ(both.message.tool_calls[1].arguments, kWeatherArguments);
  }
  const Outcome open = parse({call_block("<｜DSML｜invoke name=\"v\">\n" + b)});
  ASSERT_EQ(open.message.tool_calls.size(), 1u);
  EXPECT_EQ(open.message.tool_calls[0].arguments, R"({"b": "y"})");
  const Outcome unclosed =
      parse({"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"v\">\n" + b + kEosText});
  EXPECT_EQ(unclosed.message.tool_calls.size(), 1u);
}

TEST(StreamParser, TakesInvalidJsonAsAString) {  // (e)
  const std::pair<const char*, const char*> cases[] = {
      {"Paris", R"("Paris")"}, {"{'a': 1}", R"("{'a': 1}")"},
      {"", R"("")"},           {"NaN", R"("NaN")"},
      {"[1, 2", R"("[1, 2")"}, {" 1 2\n", R"(" 1 2\n")"},
      {"True", R"("True")"},   {"1", "1"},
      {" true\n", "true"}};
  for (const auto& [value, expected] : cases) {
    const Outcome outcome = parse({call_block(invoke("w", json_parameter("a", value)))});
    ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
    EXPECT_EQ(outcome.message.tool_calls[0].arguments, std::string("{\"a\": ") + expected + "}");
  }
}

// The arguments around a value are one level more: what we return must be what we can read.
TEST(StreamParser, ArgumentsOfAnyDepthAreReadable) {
  for (const std::size_t depth : {kMaxJsonDepth - 1, kMaxJsonDepth, kMaxJsonDepth + 1}) {
    const std::string value = std::string(depth, '[') + std::string(depth, ']');
    const Outcome outcome = parse({call_block(invoke("w", json_parameter("a", value)))});
    ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
    EXPECT_TRUE(parse_exact_json(outcome.message.tool_calls[0].arguments, "arguments")) << depth;
  }
}

TEST(StreamParser, KeepsTheFirstOfDuplicates) {  // (f)
  const Outcome outcome = parse({call_block(invoke(
      "w", text_parameter("a", "1") + json_parameter("a", "2") + text_parameter("b", "3")))});
  ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
  EXPECT_EQ(outcome.message.tool_calls[0].arguments, R"({"a": "1", "b": "3"})");
  EXPECT_EQ(outcome.n(Repair::duplicate_parameter), 1u);
}

TEST(StreamParser, SkipsUnknownTags) {  // (g)
  const Outcome outcome = parse({call_block(
      "<｜DSML｜note x=\"1\">hm</｜DSML｜note>\n" +
      invoke("w", "<｜DSML｜hint>\n" + text_parameter("a", "1")) + "</｜DSML｜parameter>")});
  EXPECT_EQ(outcome.message.content, "");
  ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
  EXPECT_EQ(outcome.message.tool_calls[0].arguments, R"({"a": "1"})");
  EXPECT_EQ(outcome.n(Repair::unknown_tag), 4u);
}

TEST(StreamParser, GivesABlockWithoutCallsBackAsText) {
  const Outcome outcome = parse({call_block("some <｜DSML｜note>text\n", "A") + kEosText});
  EXPECT_EQ(outcome.message.content, "A\n\n\nsome text\n");
  EXPECT_TRUE(outcome.calls.empty());
  EXPECT_EQ(outcome.finish_reason, FinishReason::stop);
  EXPECT_EQ(outcome.n(Repair::empty_block), 1u);
  EXPECT_EQ(parse({call_block("\n", "A") + kEosText}).message.content, "A");
  const Outcome mention = parse({"a <｜DSML｜tool_calls> block? No.</think>A", kReasoning});
  EXPECT_EQ(mention.message.reasoning_content, "a  block? No.");
  EXPECT_EQ(mention.message.content, "A");
}

TEST(StreamParser, ToleratesSloppyAttributes) {
  const Outcome outcome = parse({call_block(
      "<｜DSML｜invoke name=w>\n<｜DSML｜parameter name=\"a\">5</｜DSML｜parameter>\n"
      "<｜DSML｜parameter name=\"b\">five</｜DSML｜parameter>\n"
      "<｜DSML｜parameter string=\"true\" name=\"c\">6</｜DSML｜parameter>\n</｜DSML｜invoke>\n")});
  ASSERT_EQ(outcome.message.tool_calls.size(), 1u);
  EXPECT_EQ(outcome.message.tool_calls[0].name, "w");
  EXPECT_EQ(outcome.message.tool_calls[0].arguments, R"({"a": 5, "b": "five", "c": "6"})");
}

TEST(StreamParser, UnderstandsCallsWithoutABlock) {
  const Outcome outcome = parse({"A\n\n" + kWeather + kEosText});
  EXPECT_EQ(outcome.message.content, "A");
  EXPECT_EQ(outcome.message.tool_calls.size(), 1u);
}

// Found by fuzzing: what is left when a tag is taken out must not be a tag.
TEST(StreamParser, MakesNoTagsByTakingTagsOut) {
  EXPECT_EQ(parse({"<｜D｜DSML｜SML｜x>"}).message.content, "<｜D SML｜x>");
  EXPECT_EQ(parse({"<｜DS<｜DSML｜note>ML｜x>"}).message.content, "<｜DS ML｜x>");
  EXPECT_EQ(parse({"<｜DS" + call_block("") + "ML｜x>"}).message.content, "<｜DS ML｜x>");
  EXPECT_EQ(
      parse({"A<｜DSML｜tool_calls>｜D<｜DSML｜a>SML｜</｜DSML｜tool_calls>B"}).message.content,
      "A｜D SML｜ B");
}

TEST(StreamParser, TakesTextBehindABlockAsContent) {
  const Outcome outcome =
      parse({call_block(kWeather, "A") + call_block(kWeather, "\n B") + "\n" + kEosText});
  EXPECT_EQ(outcome.message.content, "A\n\nB");
  EXPECT_EQ(outcome.message.tool_calls.size(), 2u);
  EXPECT_EQ(outcome.finish_reason, FinishReason::tool_calls);
}

TEST(StreamParser, SaysWhenTheMessageIsComplete) {
  StreamParser calls({});
  calls.feed(call_block(kWeather, "A").substr(0, 100));
  EXPECT_FALSE(calls.done());
  calls.feed(call_block(kWeather).substr(100));
  EXPECT_TRUE(calls.done());
  StreamParser text({});
  text.feed("A");
  EXPECT_FALSE(text.done());
  text.feed(kEosText);
  EXPECT_TRUE(text.done());
}

TEST(StreamParser, StreamsStringsAsTheyCome) {
  StreamParser parser({});
  parser.feed(
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"w\">\n<｜DSML｜parameter name=\"a\" "
      "string=\"true\">");
  const std::vector<ChatEvent> expected = {ToolCallArgumentsDelta{0, "long"}};
  EXPECT_EQ(parser.feed("long"), expected);
}

TEST(StreamParser, ShowsTextAtOnce) {
  StreamParser parser({.start = kReasoning});
  EXPECT_EQ(parser.feed("a <b "), (std::vector<ChatEvent>{ReasoningDelta{"a <b "}}));
  EXPECT_EQ(parser.feed("c</thi"), (std::vector<ChatEvent>{ReasoningDelta{"c"}}));
  EXPECT_EQ(parser.feed("s"), (std::vector<ChatEvent>{ReasoningDelta{"</this"}}));
}

TEST(StreamParser, TakesOnlyRealTokensForControlIfAsked) {
  StreamParser parser({.start = kReasoning, .control = ControlText::special_tokens});
  Collector collector;
  collector.add(parser.feed("R </think> <｜DSML｜tool_calls> "));
  collector.add(parser.feed_special("</think>"));
  collector.add(parser.feed(call_block(kWeather, "A") + kEosText + "\n\n<"));
  for (const std::string rest :
       {"tool_calls>\n<", "invoke name=\"f\">\n</", "invoke>\n</", "tool_calls>"}) {
    collector.add(parser.feed_special(kDsmlToken));
    collector.add(parser.feed(rest));
  }
  EXPECT_TRUE(parser.done());
  collector.add(parser.feed_special(kEosToken));
  const ParsedCompletion parsed = parser.finish(GenerationEnd::stop);
  EXPECT_EQ(parsed.message.reasoning_content, "R </think> <｜DSML｜tool_calls> ");
  EXPECT_EQ(parsed.message.content, call_block(kWeather, "A") + kEosText);
  ASSERT_EQ(parsed.message.tool_calls.size(), 1u);
  EXPECT_EQ(parsed.message.tool_calls[0].name, "f");
}

TEST(StreamParser, GivesTheSameForEverySplitInTwo) {
  for (const Stream& stream : all_streams()) {
    const Outcome whole = parse(stream);
    for (std::size_t cut = 0; cut <= stream.text.size(); ++cut)
      ASSERT_EQ(parse(stream, {cut}), whole) << stream.text << "\ncut at " << cut;
  }
}

TEST(StreamParser, GivesTheSameForSplitsInThree) {
  for (const Stream& stream : all_streams()) {
    const Outcome whole = parse(stream);
    for (std::size_t first = 0; first <= stream.text.size(); first += 3)
      for (std::size_t second = first; second <= stream.text.size(); second += 1 + first % 7)
        ASSERT_EQ(parse(stream, {first, second}), whole) << stream.text << first << " " << second;
  }
}

TEST(StreamParser, GivesTheSameForSingleBytesAndRandomSplits) {
  RandomStream random(11);
  for (const Stream& stream : all_streams()) {
    const Outcome whole = parse(stream);
    std::vector<std::size_t> bytes;
    for (std::size_t i = 1; i < stream.text.size(); ++i) bytes.push_back(i);
    ASSERT_EQ(parse(stream, bytes), whole) << stream.text;
    for (int round = 0; round < 100; ++round) {
      std::vector<std::size_t> cuts;
      for (const std::size_t cut : bytes)
        if (random.below(8) == 0) cuts.push_back(cut);
      ASSERT_EQ(parse(stream, cuts), whole) << stream.text;
    }
  }
}

TEST(StreamParser, DeltasAddUpToTheMessage) {
  for (const Stream& stream : all_streams()) {
    const Outcome outcome = parse(stream);
    EXPECT_EQ(outcome.reasoning, outcome.message.reasoning_content);
    EXPECT_EQ(outcome.content, outcome.message.content);
    std::vector<ToolCall> calls;
    for (std::size_t i = 0; i < outcome.calls.size(); ++i)
      if (std::count(outcome.dropped.begin(), outcome.dropped.end(), i) == 0)
        calls.push_back(outcome.calls[i]);
    EXPECT_EQ(calls, outcome.message.tool_calls);
    for (const ToolCall& call : calls)
      EXPECT_TRUE(parse_exact_json(call.arguments, call.arguments)) << call.arguments;
    EXPECT_EQ(outcome.content.find("｜DSML｜"), std::string::npos);
  }
}

// Pieces of tags and text, put together at random: whatever comes, no tag reaches the content,
// arguments are JSON, and splits make no difference.
TEST(StreamParser, SurvivesRandomMixturesOfTags) {
  const std::vector<std::string> parts = {"a",
                                          "\n",
                                          "\n\n",
                                          "<",
                                          ">",
                                          "\"",
                                          "</",
                                          "｜",
                                          "｜DSML｜",
                                          "<｜DSML｜",
                                          "</｜DSML｜",
                                          "tool_calls>",
                                          "invoke>",
                                          "<think>",
                                          "</think>",
                                          "世",
                                          "\xE4\xBD",
                                          "\xFF",
                                          "name=",
                                          "<｜DSML｜tool_calls>",
                                          "</｜DSML｜tool_calls>",
                                          "<｜DSML｜invoke name=\"f\">",
                                          "</｜DSML｜invoke>",
                                          "<｜DSML｜parameter name=\"p\" string=\"true\">",
                                          "<｜DSML｜parameter name=\"q\" string=\"false\">",
                                          "</｜DSML｜parameter>",
                                          "12",
                                          "{",
                                          "}"};
  RandomStream random(3);
  for (int round = 0; round < 3000; ++round) {
    Stream stream{.text = {},
                  .start = random.below(2) == 0 ? kContent : kReasoning,
                  .end = random.below(2) == 0 ? GenerationEnd::stop : kLimit};
    for (std::size_t n = random.below(20); n > 0; --n)
      stream.text += parts[random_below(random, parts.size())];
    const Outcome whole = parse(stream);
    ASSERT_EQ(whole.content.find("｜DSML｜"), std::string::npos) << stream.text;
    ASSERT_EQ(whole.reasoning.find("｜DSML｜"), std::string::npos) << stream.text;
    for (const ToolCall& call : whole.message.tool_calls)
      ASSERT_TRUE(parse_exact_json(call.arguments, "arguments")) << stream.text;
    for (int split = 0; split < 4; ++split) {
      std::vector<std::size_t> cuts = {random_below(random, stream.text.size() + 1),
                                       random_below(random, stream.text.size() + 1)};
      std::sort(cuts.begin(), cuts.end());
      ASSERT_EQ(parse(stream, cuts), whole) << stream.text;
    }
  }
}

// What the encoder writes for an assistant turn, the parser reads back.
TEST(StreamParser, ReadsBackWhatTheEncoderWrites) {
  const std::vector<std::string> texts = {
      "", "a", "x\n", "\n\nA\n\n\n", "< </ <｜ ｜", "世界 😀 \"q\"\\"};
  const std::vector<std::string> values = {"null",
                                           "[1, 2.5, {\"a\": []}]",
                                           "\"\"",
                                           "\"two\\nlines\\n\"",
                                           "123456789012345678901234567890",
                                           "1e+16",
                                           "true",
                                           "\" {\\\"x\\\"} \""};
  RandomStream random(5);
  const auto pick = [&](const auto& list) { return list[random_below(random, list.size())]; };
  for (int round = 0; round < 500; ++round) {
    Message turn{.role = Role::assistant, .content = pick(texts), .reasoning_content = pick(texts)};
    for (std::size_t i = 0, n = random.below(3); i < n; ++i) {
      std::string arguments;
      for (std::size_t k = 0, n_keys = random.below(4); k < n_keys; ++k)
        arguments += fmt::format("{}\"k{}\": {}", k > 0 ? ", " : "", k, pick(values));
      turn.tool_calls.push_back(
          {fmt::format("call_{}", i), fmt::format("f{}", i), fmt::format("{{{}}}", arguments)});
    }
    const auto prompt =
        encode_prompt({{{.role = Role::user, .content = "q"}, turn}}, {.think = ThinkMode::high});
    ASSERT_TRUE(prompt);
    const std::string text = prompt->text();
    const std::string opening = "<｜Assistant｜><think>";
    const Outcome outcome = parse({text.substr(text.find(opening) + opening.size()), kReasoning});
    ASSERT_EQ(outcome.message, turn) << text;
    ASSERT_EQ(outcome.repairs, (std::array<std::size_t, kNumRepairs>{}));
  }
}

}  // namespace hadal
