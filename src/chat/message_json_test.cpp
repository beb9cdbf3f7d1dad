#include "chat/message_json.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

std::vector<Message> read(const std::string& messages) {
  auto conversation = parse_conversation("{\"messages\": " + messages + "}", "f.json");
  if (!conversation) {
    ADD_FAILURE() << messages << "\n" << conversation.error().message;
    return {};
  }
  return std::move(conversation->messages);
}

std::string error_of(const std::string& body) {
  const auto conversation = parse_conversation(body, "f.json");
  return conversation ? "no error" : conversation.error().message;
}

}  // namespace

TEST(ReadConversation, ReadsEveryRole) {
  const auto messages = read(R"([
    {"role": "system", "content": "S", "name": "ignored"},
    {"role": "latest_reminder", "content": "L"},
    {"role": "developer", "content": "D"},
    {"role": "user", "content": "U", "task": "read_url"},
    {"role": "assistant", "content": null, "reasoning_content": "R", "wo_eos": true,
     "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{ }"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "T"}])");
  const std::vector<Message> expected = {
      {.role = Role::system, .content = "S"},
      {.role = Role::latest_reminder, .content = "L"},
      {.role = Role::developer, .content = "D"},
      {.role = Role::user, .content = "U", .task = Task::read_url},
      {.role = Role::assistant,
       .content = "",
       .reasoning_content = "R",
       .tool_calls = {{"1", "f", "{ }"}},
       .wo_eos = true},
      {.role = Role::tool, .content = "T", .tool_call_id = "1"}};
  EXPECT_EQ(messages, expected);
}

TEST(ReadConversation, JoinsPartsWithTwoNewlines) {
  const auto messages = read(R"([{"role": "user", "content": [
    {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]}])");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].content, "a\n\n[Unsupported image_url]\n\nb");
}

TEST(ReadConversation, TurnsToolResultPartsIntoToolMessages) {
  const auto messages = read(R"([{"role": "user", "task": "title", "content": [
    {"type": "tool_result", "tool_use_id": "7", "content": [{"type": "text", "text": "r"}]},
    {"type": "text", "text": "b"}]}])");
  const std::vector<Message> expected = {{.role = Role::tool, .content = "r", .tool_call_id = "7"},
                                         {.role = Role::user, .content = "b", .task = Task::title}};
  EXPECT_EQ(messages, expected);
}

TEST(ReadConversation, AcceptsOtherSpellings) {
  const auto messages = read(R"([{"role": "assistant", "reasoning": "R", "tool_calls": [
    {"function": {"name": "f", "arguments": {"b": 1, "a": 1e16}}}, {"id": "2", "function": {"name": "g"}}]}])");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].reasoning_content, "R");
  const std::vector<ToolCall> calls = {{"", "f", "{\"b\": 1, \"a\": 1e+16}"}, {"2", "g", "{}"}};
  EXPECT_EQ(messages[0].tool_calls, calls);
}

TEST(ReadConversation, KeepsTheFunctionOfATool) {
  const auto messages =
      read(R"([{"role": "system", "response_format": {"type": "json_object"}, "tools": [
    {"type": "function", "function": {"name":"f","parameters":{"z":1,"a":123456789012345678901234}}},
    {"name": "bare"}]}])");
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].tools.size(), 2u);
  EXPECT_EQ(messages[0].tools[0].function,
            R"({"name": "f", "parameters": {"z": 1, "a": 123456789012345678901234}})");
  EXPECT_EQ(messages[0].tools[1].function, R"({"name": "bare"})");
  EXPECT_EQ(messages[0].response_format, R"({"type": "json_object"})");
}

TEST(ReadConversation, GivesToolsOfTheRequestToTheSystemMessage) {
  const std::string tools = R"("tools": [{"function": {"name": "f"}}])";
  const auto with = parse_conversation(
      R"({"messages": [{"role": "user"}, {"role": "system", "content": "S"}], )" + tools + "}",
      "f");
  ASSERT_TRUE(with);
  EXPECT_EQ(with->messages.at(1).tools.size(), 1u);
  const auto without =
      parse_conversation(R"({"messages": [{"role": "user"}], )" + tools + "}", "f");
  ASSERT_TRUE(without);
  ASSERT_EQ(without->messages.size(), 2u);
  EXPECT_EQ(without->messages[0].role, Role::system);
  EXPECT_EQ(without->messages[0].tools.size(), 1u);
}

TEST(ReadConversation, TakesPlainTextAsNoResponseFormat) {
  const auto plain = parse_conversation(
      R"({"messages": [{"role": "user"}], "response_format": {"type": "text"}})", "f");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->messages.size(), 1u);
  const auto json = parse_conversation(
      R"({"messages": [{"role": "user"}], "response_format": {"type": "json_object"}})", "f");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->messages.at(0).response_format, R"({"type": "json_object"})");
}

TEST(ReadConversation, SaysWhatAndWhereIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "f.json: body: expected an object {\"messages\": [...]}, found a list of 0"},
      {"{}", "f.json: expected the key \"messages\" with a list of messages; it is missing"},
      {R"({"messages": 3})", "f.json: messages: expected a list of messages, found the number 3"},
      {R"({"messages": []})", "f.json: messages: expected at least one message, found a list of 0"},
      {R"({"messages": ["a"]})",
       "f.json: messages[0]: expected an object with role and content, found \"a\""},
      {R"({"messages": [{}]})",
       "f.json: messages[0]: expected the key \"role\", one of system, developer, user, assistant, "
       "tool, "
       "latest_reminder; it is missing"},
      {R"({"messages": [{"role": "user"}, {"role": "bot"}]})",
       "f.json: messages[1].role: expected one of system, developer, user, assistant, tool, "
       "latest_reminder, found \"bot\""},
      {R"({"messages": [{"role": "user", "content": 1.50}]})",
       "f.json: messages[0].content: expected a string or a list of parts, found the number 1.5"},
      {R"({"messages": [{"role": "user", "content": [{"text": "a"}]}]})",
       "f.json: messages[0].content[0]: expected the key \"type\", such as \"text\"; it is "
       "missing"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text", "text": {}}]}]})",
       "f.json: messages[0].content[0].text: expected a string, found an object with 0 keys"},
      {R"({"messages": [{"role": "user", "task": "sing"}]})",
       "f.json: messages[0].task: expected one of action, query, authority, domain, title, "
       "read_url, "
       "found \"sing\""},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]})",
       "f.json: messages[0].tool_calls[0]: expected the key \"function\" with name and arguments; "
       "it "
       "is missing"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}]})",
       "f.json: messages[0].tool_calls[0].function.arguments: expected a string with JSON, or an "
       "object, found the number 1"},
      {R"({"messages": [{"role": "system", "tools": [{"function": {"name": 1}}]}]})",
       "f.json: messages[0].tools[0].function: expected the key \"name\" with the name of the "
       "function, found the number 1"},
      {R"({"messages": [{"role": "assistant", "wo_eos": "yes"}]})",
       "f.json: messages[0].wo_eos: expected true or false, found \"yes\""},
      {R"({"messages": [{"role": "user"}], "tools": {}})",
       "f.json: body.tools: expected a list, found an object with 0 keys"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(error_of(body), expected);
}

TEST(ReadConversation, SurvivesHostileJson) {
  EXPECT_NE(error_of("{\"messages\": [").find("expected JSON"), std::string::npos);
  EXPECT_NE(error_of(std::string(100'000, '[')).find("deeper"), std::string::npos);
  EXPECT_NE(error_of("{\"messages\": [{\"role\": \"user\", \"content\": \"\xFF\"}]}").find("UTF-8"),
            std::string::npos);
  const std::string long_role =
      "{\"messages\": [{\"role\": \"" + std::string(100'000, 'x') + "\"}]}";
  EXPECT_LT(error_of(long_role).size(), 300u);
}

TEST(Names, GoBothWays) {
  for (const auto role : {Role::system, Role::developer, Role::user, Role::assistant, Role::tool,
                          Role::latest_reminder})
    EXPECT_EQ(role_from_name(role_name(role)), role);
  for (const auto task :
       {Task::action, Task::query, Task::authority, Task::domain, Task::title, Task::read_url})
    EXPECT_EQ(task_from_name(task_name(task)), task);
  EXPECT_EQ(role_from_name("User"), std::nullopt);
  EXPECT_EQ(task_from_name(""), std::nullopt);
}

}  // namespace hadal
