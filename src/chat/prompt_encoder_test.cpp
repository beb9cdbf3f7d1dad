#include "chat/prompt_encoder.h"

#include "chat/golden_for_test.h"
#include "chat/message_json.h"
#include "chat/prompt_template.h"
#include "chat/sha256_for_test.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

const std::string kBos{kBosToken}, kEos{kEosToken};
const std::string kTool = R"({"name": "f"})";
const std::string kToolSection =
    std::string(kToolSectionHead) + kTool + std::string(kToolSectionTail);

std::string rendered(std::vector<Message> messages, PromptOptions options) {
  const auto prompt = encode_prompt({std::move(messages)}, options);
  return prompt ? prompt->text() : prompt.error().message;
}

Message user(std::string text) {
  return {.role = Role::user, .content = std::move(text)};
}
Message system_text(std::string text) {
  return {.role = Role::system, .content = std::move(text)};
}
Message assistant(std::string text, std::string reasoning = {}) {
  return {.role = Role::assistant,
          .content = std::move(text),
          .reasoning_content = std::move(reasoning)};
}
Message result(std::string text, std::string id) {
  return {.role = Role::tool, .content = std::move(text), .tool_call_id = std::move(id)};
}

constexpr PromptOptions kChat{};
constexpr PromptOptions kThinking{.think = ThinkMode::high};
constexpr PromptOptions kMax{.think = ThinkMode::max};

}  // namespace

TEST(Sha256, MatchesPublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// The digests stand in deepseek-v4.md 11.4 and 11.6.
TEST(PromptTemplate, HoldsTheSpecifiedTexts) {
  EXPECT_EQ(sha256_hex(std::string(kToolSectionHead) + "{SCHEMAS}" + std::string(kToolSectionTail)),
            "12896537df70074c76828db9f4bc0f9be768ce5379ce71b15c07a7150bd90020");
  EXPECT_EQ(sha256_hex(kEffortTextA),
            "f7a24f3b3050d4a83781e9b755b316aae2ec1d9dc87562541d90bcb04d7350f7");
  EXPECT_EQ(sha256_hex(kEffortTextB),
            "53fb31b8392ec5b4a926481943efc67636748f137c1a49d493a7af4d4fa55d2c");
}

TEST(EncodePrompt, EqualsThePublishedEncoder) {
  const auto cases = golden_cases("prompts.json");
  ASSERT_GT(cases.size(), 100u);
  for (const auto& entry : cases) {
    const auto conversation = read_conversation(entry, "golden");
    ASSERT_TRUE(conversation) << conversation.error().message;
    const std::string think = entry["think"].get<std::string>();
    const PromptOptions options = think == "off" ? kChat : think == "high" ? kThinking : kMax;
    const auto prompt = encode_prompt(*conversation, options);
    ASSERT_TRUE(prompt) << prompt.error().message;
    ASSERT_EQ(prompt->text(), entry["prompt"].get<std::string>()) << entry["name"];
  }
}

// The table of deepseek-v4.md 11.8.
TEST(EncodePrompt, RendersTheEdgeCasesOfTheSpecification) {
  EXPECT_EQ(rendered({user("a"), user("b")}, kThinking),
            kBos + "<｜User｜>a\n\nb<｜Assistant｜><think>");
  EXPECT_EQ(rendered({user("a"), assistant("x")}, kThinking),
            kBos + "<｜User｜>a<｜Assistant｜><think></think>x" + kEos);
  EXPECT_EQ(
      rendered({user("a"), {.role = Role::latest_reminder, .content = "L"}, user("b")}, kChat),
      kBos +
          "<｜User｜>a<｜Assistant｜></think><｜latest_reminder｜>L<｜User｜>b<｜Assistant｜></"
          "think>");
  Message system = system_text("S");
  system.response_format = R"({"type":"json_object"})";
  EXPECT_EQ(rendered({system, user("a")}, kChat),
            kBos +
                "S\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to "
                "reply:\n{\"type\": \"json_object\"}<｜User｜>a<｜Assistant｜></think>");
  Message titled = assistant("x", "R");
  titled.task = Task::title;
  EXPECT_EQ(rendered({user("a"), titled, assistant("T")}, kThinking),
            kBos + "<｜User｜>a<｜Assistant｜><think>R</think>x" + kEos + "<｜title｜>T" + kEos);
}

TEST(EncodePrompt, RendersCallsAndOrdersTheirResults) {
  Message system = system_text("S");
  system.tools = {{kTool}};
  Message calls = assistant("");
  calls.tool_calls = {{"1", "f", "{}"}, {"2", "g", R"({"x":[1,2.5,true],"s":"q\""})"}};
  EXPECT_EQ(
      rendered({system, user("a"), calls, result("R2", "2"), result("R1", "1"), user("go")}, kMax),
      kBos + std::string(kEffortTextA) + "S\n\n" + kToolSection +
          "<｜User｜>a<｜Assistant｜><think></think>\n\n<｜DSML｜tool_calls>\n"
          "<｜DSML｜invoke name=\"f\">\n\n</｜DSML｜invoke>\n"
          "<｜DSML｜invoke name=\"g\">\n"
          "<｜DSML｜parameter name=\"x\" string=\"false\">[1, 2.5, true]</｜DSML｜parameter>\n"
          "<｜DSML｜parameter name=\"s\" string=\"true\">q\"</｜DSML｜parameter>\n"
          "</｜DSML｜invoke>\n</｜DSML｜tool_calls>" +
          kEos +
          "<｜User｜><tool_result>R1</tool_result>\n\n<tool_result>R2</tool_result>\n\ngo"
          "<｜Assistant｜><think>");
}

// The two examples of deepseek-v4.md 11.5.
TEST(EncodePrompt, RendersTheExamplesOfTheSpecification) {
  Message system = system_text("You are helpful.");
  system.tools = {{kTool}};
  Message call = assistant("", "I need the tool.");
  call.tool_calls = {{"1", "get_weather", R"({"location": "Beijing", "days": 3})"}};
  EXPECT_EQ(rendered({system, user("Weather?"), call, result(R"({"t": 22})", "1")}, kThinking),
            kBos + "You are helpful.\n\n" + kToolSection +
                "<｜User｜>Weather?<｜Assistant｜><think>I need the tool.</think>\n\n"
                "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
                "<｜DSML｜parameter name=\"location\" string=\"true\">Beijing</｜DSML｜parameter>\n"
                "<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n"
                "</｜DSML｜invoke>\n</｜DSML｜tool_calls>" +
                kEos + "<｜User｜><tool_result>{\"t\": 22}</tool_result><｜Assistant｜><think>");
  EXPECT_EQ(
      rendered({system_text("SYS"), user("Hello"), assistant("Hi!", "forgotten"), user("2+2?")},
               kThinking),
      kBos + "SYS<｜User｜>Hello<｜Assistant｜></think>Hi!" + kEos +
          "<｜User｜>2+2?<｜Assistant｜><think>");
}

TEST(EncodePrompt, PutsTheEffortPrefixOfTheReleaseBehindBos) {
  const std::string a(kEffortTextA), b(kEffortTextB);
  const auto preview = ModelRelease::preview, late = ModelRelease::flash_0731;
  const std::pair<PromptOptions, std::string> cases[] = {
      {{.think = ThinkMode::off, .release = preview}, ""},
      {{.think = ThinkMode::low, .release = preview}, ""},
      {{.think = ThinkMode::high, .release = preview}, ""},
      {{.think = ThinkMode::max, .release = preview}, a},
      {{.think = ThinkMode::off, .release = late}, ""},
      {{.think = ThinkMode::low, .release = late}, ""},
      {{.think = ThinkMode::high, .release = late}, a},
      {{.think = ThinkMode::max, .release = late}, b},
  };
  for (const auto& [options, prefix] : cases) {
    const std::string think = options.think == ThinkMode::off ? "</think>" : "<think>";
    EXPECT_EQ(rendered({system_text("S"), user("a")}, options),
              kBos + prefix + "S<｜User｜>a<｜Assistant｜>" + think);
  }
}

TEST(EncodePrompt, ForgetsReasoningAndDevelopersOfEarlierTurns) {
  const std::vector<Message> messages = {user("a"),
                                         assistant("x", "R1"),
                                         {.role = Role::developer, .content = "D"},
                                         user("b"),
                                         assistant("y", "R2")};
  EXPECT_EQ(rendered(messages, kThinking), kBos + "<｜User｜>a<｜Assistant｜></think>x" + kEos +
                                               "<｜User｜>b<｜Assistant｜><think>R2</think>y" +
                                               kEos);
  EXPECT_EQ(rendered(messages, {.think = ThinkMode::high, .drop_thinking = false}),
            kBos + "<｜User｜>a<｜Assistant｜><think>R1</think>x" + kEos +
                "<｜User｜>D<｜User｜>b<｜Assistant｜><think>R2</think>y" + kEos);
  EXPECT_EQ(rendered(messages, kChat), kBos + "<｜User｜>a<｜Assistant｜></think>x" + kEos +
                                           "<｜User｜>D<｜User｜>b<｜Assistant｜></think>y" + kEos);
}

TEST(EncodePrompt, KeepsAllReasoningOnceAnyMessageHasTools) {
  for (const Role role : {Role::system, Role::developer, Role::user}) {
    Message with_tools{.role = role, .content = "S"};
    with_tools.tools = {{kTool}};
    const std::string text =
        rendered({with_tools, user("a"), assistant("x", "R1"), user("b")}, kThinking);
    EXPECT_NE(text.find("<think>R1</think>x"), std::string::npos) << text;
  }
}

TEST(EncodePrompt, CountsAToolResultAsAQuestion) {
  Message call = assistant("", "R1");
  call.tool_calls = {{"1", "f", "{}"}};
  const std::string text = rendered({user("a"), call, result("r", "1")}, kThinking);
  EXPECT_EQ(text.find("R1"), std::string::npos) << text;  // no tools declared: reasoning is dropped
  EXPECT_TRUE(text.ends_with("<tool_result>r</tool_result><｜Assistant｜><think>")) << text;
}

TEST(EncodePrompt, KeepsTheTurnOpenWithoutEos) {
  Message open = assistant("x");
  open.wo_eos = true;
  EXPECT_EQ(rendered({user("a"), open}, kChat), kBos + "<｜User｜>a<｜Assistant｜></think>x");
}

TEST(EncodePrompt, PassesOddArgumentsAsOneParameter) {
  for (const std::string arguments : {"", "not json", "[1, 2]", "\"text\"", "{\"a\": NaN}"}) {
    Message call = assistant("");
    call.tool_calls = {{"1", "f", arguments}};
    const std::string text = rendered({user("a"), call}, kChat);
    EXPECT_NE(text.find("<｜DSML｜parameter name=\"arguments\" string=\"true\">" + arguments +
                        "</｜DSML｜parameter>\n</｜DSML｜invoke>"),
              std::string::npos)
        << text;
  }
}

TEST(EncodePrompt, NamesTheToolThatIsNoJson) {
  Message system = system_text("S");
  system.tools = {{kTool}, {"{broken"}};
  const auto prompt = encode_prompt({{user("a"), system}}, kChat);
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().code, ErrorCode::bad_format);
  EXPECT_TRUE(prompt.error().message.starts_with("messages[1].tools[1]: expected JSON"))
      << prompt.error().message;
}

TEST(EncodePrompt, ResultsWithoutAKnownCallComeWithTheFirst) {
  Message calls = assistant("");
  calls.tool_calls = {{"1", "f", "{}"}, {"2", "f", "{}"}};
  const std::string text =
      rendered({user("a"), calls, result("B", "2"), result("?", "9"), result("A", "1")}, kChat);
  EXPECT_NE(text.find("<tool_result>?</tool_result>\n\n<tool_result>A</tool_result>\n\n"
                      "<tool_result>B</tool_result>"),
            std::string::npos)
      << text;
}

}  // namespace hadal
