#include "protocol/request.h"

#include "protocol/field.h"
#include "protocol/script_for_test.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

const std::string kUser = R"("messages": [{"role": "user", "content": "u"}])";

ApiRequest parsed(Protocol protocol, const std::string& body, ParseOptions options = {}) {
  if (!options.new_id) options.new_id = counted_ids();
  auto request = parse_request(protocol, body, options);
  if (request) return std::move(*request);
  ADD_FAILURE() << body << "\n" << request.error().message;
  return {};
}

ApiRequest chat(const std::string& fields) {
  return parsed(Protocol::chat, "{" + kUser + ", " + fields + "}");
}

/// The field that the error names.
std::string field_of_error(Protocol protocol, const std::string& body) {
  const auto request = parse_request(protocol, body, {.new_id = counted_ids()});
  return request ? "no error" : field_of(request.error());
}

std::vector<Message> messages_of(Protocol protocol, const std::string& body) {
  return parsed(protocol, body).conversation.messages;
}

}  // namespace

TEST(ParseRequest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "robot", "content": ""}]})", "messages[0].role"},
      {R"({"messages": []})", "messages"},
      {R"({})", "messages"},
      {"{" + kUser + R"(, "n": 129})", "n"},
      {"{" + kUser + R"(, "n": 0})", "n"},
      {"{" + kUser + R"(, "temperature": 2.5})", "temperature"},
      {"{" + kUser + R"(, "temperature": "hot"})", "temperature"},
      {"{" + kUser + R"(, "max_tokens": 1e300})", "max_tokens"},
      {"{" + kUser + R"(, "max_tokens": 123456789012345678901234567890})", "max_tokens"},
      {"{" + kUser + R"(, "stop": [1]})", "stop[0]"},
      {"{" + kUser + R"(, "logit_bias": {"x": 1}})", "logit_bias"},
      {"{" + kUser + R"(, "logit_bias": {"1": 101}})", "logit_bias.1"},
      {"{" + kUser + R"(, "top_logprobs": 2})", "top_logprobs"},
      {"{" + kUser + R"(, "modalities": ["text", "audio"]})", "modalities[1]"},
      {"{" + kUser + R"(, "functions": [{}]})", "functions"},
      {"{" + kUser + R"(, "verbosity": "low"})", "verbosity"},
      {"{" + kUser + R"(, "mirostat": 2})", "mirostat"},
      {"{" + kUser + R"(, "stop_token_ids": [1]})", "stop_token_ids"},
      {"{" + kUser + R"(, "reasoning_effort": "huge"})", "reasoning_effort"},
      {"{" + kUser + R"(, "response_format": {"type": "xml"}})", "response_format.type"},
      {"{" + kUser + R"(, "response_format": {"type": "json_schema"}})",
       "response_format.json_schema"},
      {"{" + kUser + R"(, "guided_regex": "a", "grammar": "b"})", "guided_regex"},
      {"{" + kUser + R"(, "tools": [{"type": "function", "function": {}}]})",
       "tools[0].function.name"},
      {"{" + kUser + R"(, "tool_choice": "required"})", "tool_choice"},
      {"{" + kUser + R"(, "tool_choice": {"type": "function", "function": {"name": "f"}}})",
       "tool_choice"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]}]})",
       "messages"},
      {"[1]", ""},
      {"{", ""}};

  for (const auto& [body, field] : cases)
    EXPECT_EQ(field_of_error(Protocol::chat, body), field) << body;
}

TEST(ParseRequest, NamesTheFieldThatIsWrongInOtherProtocols) {
  const std::string messages_head =
      R"({"max_tokens": 1, "messages": [{"role": "user", "content": )";
  const std::vector<std::tuple<Protocol, std::string, std::string>> cases = {
      {Protocol::completions, R"({"prompt": "a", "suffix": "b"})", "suffix"},
      {Protocol::completions, R"({"prompt": "a", "best_of": 2})", "best_of"},
      {Protocol::completions, R"({"prompt": "a", "best_of": 1, "n": 2})", "best_of"},
      {Protocol::responses, R"({"input": "a", "n": 2})", "n"},
      {Protocol::completions, R"({"prompt": [1, -1]})", "prompt[1]"},
      {Protocol::completions, R"({"prompt": [[1], [2, "x"]]})", "prompt[1][1]"},
      {Protocol::completions, R"({"prompt": []})", "prompt"},
      {Protocol::completions, R"({"prompt": "a", "logprobs": 21})", "logprobs"},
      {Protocol::messages, R"({"messages": []})", "max_tokens"},
      {Protocol::messages, R"({"max_tokens": 1, "messages": []})", "messages"},
      {Protocol::messages, messages_head + R"([{"type": "image"}]}]})",
       "messages[0].content[0].type"},
      {Protocol::messages, messages_head + R"([{"type": "tool_result", "tool_use_id": "1",
        "content": [{"type": "image"}]}]}]})",
       "messages[0].content[0].content[0].type"},
      {Protocol::messages,
       messages_head + R"([{"type": "document", "source": {"type": "base64"}}]}]})",
       "messages[0].content[0].source.type"},
      {Protocol::messages, messages_head + R"("u"}], "temperature": 1.5})", "temperature"},
      {Protocol::messages, messages_head + R"("u"}], "tools": [{"type": "bash_20250124"}]})",
       "tools[0].type"},
      {Protocol::messages, messages_head + R"("u"}], "tools": [{"name": "f"}]})",
       "tools[0].input_schema"},
      {Protocol::messages, messages_head + R"("u"}], "container": "c"})", "container"},
      {Protocol::responses, R"({"input": [{"type": "computer_call"}]})", "input[0].type"},
      {Protocol::responses,
       R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "input[0].content[0].type"},
      {Protocol::responses, R"({"input": "a", "background": true})", "background"},
      {Protocol::responses, R"({"input": "a", "conversation": "c"})", "conversation"},
      {Protocol::responses, R"({"input": "a", "previous_response_id": "r"})",
       "previous_response_id"},
      {Protocol::responses, R"({"input": [{"type": "item_reference", "id": "i"}]})", "input[0]"},
      {Protocol::responses, R"({"input": "a", "tools": [{"type": "code_interpreter"}]})",
       "tools[0].type"},
      {Protocol::responses, R"({"input": "a", "text": {"format": {"type": "json_schema"}}})",
       "text.format.schema"},
      {Protocol::responses, R"({})", "input"}};

  for (const auto& [protocol, body, field] : cases)
    EXPECT_EQ(field_of_error(protocol, body), field) << body;
}

TEST(ParseRequest, AcceptsNeutralSettingsAndUnknownFields) {
  const ApiRequest request = chat(
      R"("n": 1, "mirostat": 0, "typical_p": 1.0, "ignore_eos": false, "bad_words": [], "functions": null,
         "verbosity": "medium", "something": {"new": [1]}, "stop": null, "temperature": null)");

  EXPECT_EQ(request.options.temperature, 1.0f);
}

TEST(ParseRequest, EffortSwitchesReasoning) {
  const std::vector<std::pair<std::string, std::optional<ThinkMode>>> cases = {
      {R"("x": 1)", std::nullopt},
      {R"("reasoning_effort": "none")", ThinkMode::off},
      {R"("reasoning_effort": "minimal")", ThinkMode::off},
      {R"("reasoning_effort": "low")", ThinkMode::high},
      {R"("reasoning_effort": "max")", ThinkMode::max},
      {R"("think": true)", ThinkMode::high},
      {R"("think": "max")", ThinkMode::max},
      {R"("thinking": {"type": "disabled"}, "reasoning_effort": "high")", ThinkMode::off},
      {R"("thinking": {"type": "enabled"}, "reasoning_effort": "max")", ThinkMode::max},
      {R"("chat_template_kwargs": {"thinking": true})", ThinkMode::high},
      {R"("chat_template_kwargs": {"enable_thinking": false})", ThinkMode::off}};

  for (const auto& [fields, mode] : cases) EXPECT_EQ(chat(fields).thinking.mode, mode) << fields;
}

TEST(ParseRequest, AnthropicEffortChoosesALevelAndSwitchesNothingOn) {
  const std::string head =
      R"({"max_tokens": 1, )" + kUser + R"(, "output_config": {"effort": "max"})";
  const ApiRequest alone = parsed(Protocol::messages, head + "}");
  const ApiRequest on = parsed(Protocol::messages, head + R"(, "thinking": {"type": "adaptive"}})");

  EXPECT_EQ(alone.thinking.resolve(ThinkMode::off), ThinkMode::off);
  EXPECT_EQ(alone.thinking.resolve(ThinkMode::high), ThinkMode::max);
  EXPECT_EQ(on.thinking.resolve(ThinkMode::off), ThinkMode::max);
}

TEST(ParseRequest, OutputFormatsKeepTheirText) {
  using Kind = OutputFormat::Kind;
  const std::vector<std::tuple<std::string, Kind, std::string>> cases = {
      {R"("response_format": {"type": "text"})", Kind::text, ""},
      {R"("response_format": {"type": "json_object"})", Kind::json_object, ""},
      {R"("response_format": {"type": "json_object", "schema": {"z": 1, "a": 99999999999999999999}})",
       Kind::json_schema, R"({"z":1,"a":99999999999999999999})"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": true}})",
       Kind::json_schema, "true"},
      {R"("response_format": {"type": "regex", "pattern": "a+"})", Kind::regex, "a+"},
      {R"("grammar": "root ::= x")", Kind::grammar, "root ::= x"},
      {R"("guided_choice": ["a.b", "c"])", Kind::regex, "(a\\.b|c)"},
      {R"("structured_outputs": {"json": {"a": 1}})", Kind::json_schema, R"({"a":1})"}};

  for (const auto& [fields, kind, text] : cases) {
    const OutputFormat output = chat(fields).output;
    EXPECT_EQ(output.kind, kind) << fields;
    EXPECT_EQ(output.text, text) << fields;
  }
}

TEST(ParseRequest, NoChoiceMeansNoToolsInTheConversation) {
  const std::string tools = R"("tools": [{"type": "function", "function": {"name": "f"}}])";

  EXPECT_EQ(chat(tools).conversation.messages.front().tools.size(), 1u);
  EXPECT_EQ(chat(tools + R"(, "tool_choice": "none")").conversation.messages.front().role,
            Role::user);
}

TEST(ParseRequest, DeveloperMessagesAreSystemMessages) {
  const auto messages = messages_of(Protocol::chat, R"({"messages": [
    {"role": "developer", "content": "a"}, {"role": "developer", "content": "b"},
    {"role": "system", "content": "c"}, {"role": "user", "content": "d"}]})");

  const std::vector<Message> expected = {{.role = Role::system, .content = "a\n\nb"},
                                         {.role = Role::system, .content = "c"},
                                         {.role = Role::user, .content = "d"}};
  EXPECT_EQ(messages, expected);
}

TEST(ParseRequest, LaterSystemMessagesBecomeUserTurns) {
  const auto messages = messages_of(Protocol::chat, R"({"messages": [
    {"role": "system", "content": "a"}, {"role": "user", "content": "b"},
    {"role": "system", "content": "c"}, {"role": "developer", "content": "d"}]})");

  const std::vector<Message> expected = {{.role = Role::system, .content = "a"},
                                         {.role = Role::user, .content = "b"},
                                         {.role = Role::user, .content = "c"},
                                         {.role = Role::user, .content = "d"}};
  EXPECT_EQ(messages, expected);
}

TEST(ParseRequest, ReasoningReturnsOnAllProtocols) {
  const auto reasoning_of = [](Protocol protocol, const std::string& body) {
    const auto messages = messages_of(protocol, body);
    return messages.size() > 1 ? messages[1].reasoning_content : "no message";
  };
  const std::string user = R"({"role": "user", "content": "u"})";
  const std::string sealed = "hadal-r1.UsO2";  // base64 of "R\u00f6"

  EXPECT_EQ(reasoning_of(Protocol::chat,
                         R"({"messages": [)" + user +
                             R"(, {"role": "assistant", "content": "a", "reasoning": "R"}]})"),
            "R");
  const std::string anthropic =
      R"({"max_tokens": 1, "messages": [)" + user +
      R"(, {"role": "assistant", "content": [{"type": "thinking", "thinking": )";
  EXPECT_EQ(reasoning_of(Protocol::messages, anthropic + R"("R", "signature": "x"}]}]})"), "R");
  EXPECT_EQ(
      reasoning_of(Protocol::messages, anthropic + R"("", "signature": ")" + sealed + R"("}]}]})"),
      "R\u00f6");
  const std::string responses = R"({"input": [)" + user + R"(, {"type": "reasoning", "id": "rs", )";
  EXPECT_EQ(reasoning_of(Protocol::responses,
                         responses + R"("summary": [{"type": "summary_text", "text": "R"}]}]})"),
            "R");
  EXPECT_EQ(
      reasoning_of(Protocol::responses,
                   responses + R"("summary": [], "encrypted_content": ")" + sealed + R"("}]})"),
      "R\u00f6");
}

TEST(ParseRequest, ReasoningAfterACallBeginsTheNextMessage) {
  const auto messages = messages_of(Protocol::responses, R"({"input": [
    {"role": "user", "content": "u"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "A"}]},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "B"}]},
    {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "2", "output": "x"}]})");

  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1].reasoning_content, "A");
  EXPECT_EQ(messages[2].reasoning_content, "B");
  EXPECT_EQ(messages[2].tool_calls.front().name, "g");
}

TEST(ParseRequest, PreviousResponseComesBeforeTheInput) {
  ParseOptions options;
  options.find_response = [](std::string_view id) -> Result<std::string> {
    if (id != "resp_1") return error(ErrorCode::not_found, "no response {}", id);
    return std::string(R"([{"type": "message", "role": "user", "content": "a"},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]}])");
  };
  options.find_item = [](std::string_view) -> Result<std::string> {
    return std::string(R"({"type": "message", "id": "msg_7", "role": "user", "content": "d"})");
  };

  const ApiRequest request = parsed(Protocol::responses,
                                    R"({"instructions": "s", "previous_response_id": "resp_1",
    "input": [{"role": "user", "content": "c"}, {"type": "item_reference", "id": "msg_7"}]})",
                                    options);
  const auto unknown =
      parse_responses_request(R"({"input": "c", "previous_response_id": "resp_2"})", options);

  std::string contents;
  for (const Message& message : request.conversation.messages) contents += message.content;
  EXPECT_EQ(contents, "sabcd");
  EXPECT_EQ(request.input_items.size(), 2u);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_EQ(field_of(unknown.error()), "previous_response_id");
}

TEST(ParseRequest, LimitsOfTokensKeepTheirMeanings) {
  EXPECT_EQ(parsed(Protocol::completions, R"({"prompt": "a"})").options.max_tokens, 16u);
  EXPECT_EQ(chat(R"("max_tokens": -1)").options.max_tokens, 0u);
  EXPECT_FALSE(chat(R"("max_tokens": -1)").prefill_only);
  EXPECT_EQ(chat(R"("max_tokens": 5, "max_completion_tokens": 7)").options.max_tokens, 7u);
  EXPECT_TRUE(parsed(Protocol::messages, R"({"max_tokens": 0, )" + kUser + "}").prefill_only);
}

TEST(ParseRequest, ContextManagementThatChangesNothingIsTaken) {
  const std::string head = R"({"max_tokens": 1, )" + kUser + R"(, "context_management": )";
  for (const std::string edits :
       {R"({})", R"({"edits": []})", R"({"edits": null})",
        R"({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]})",
        R"({"edits": [{"type": "clear_thinking_20251015", "keep": {"type": "all"}}]})"})
    EXPECT_EQ(field_of_error(Protocol::messages, head + edits + "}"), "no error") << edits;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"edits": [{"type": "clear_tool_uses_20250919"}]})", "context_management.edits[0].type"},
      {R"({"edits": [{"type": "clear_thinking_20251015"}]})", "context_management.edits[0].keep"},
      {R"({"edits": [{"type": "clear_thinking_20251015",
                      "keep": {"type": "thinking_turns", "value": 1}}]})",
       "context_management.edits[0].keep"},
      {R"({"edits": {}})", "context_management.edits"},
      {R"("all")", "context_management"}};
  for (const auto& [edits, field] : cases)
    EXPECT_EQ(field_of_error(Protocol::messages, head + edits + "}"), field) << edits;
}

TEST(ParseRequest, TheBetasOutputFormatIsThatOfTheConfig) {
  const std::string head = R"({"max_tokens": 1, )" + kUser;
  const std::string format =
      R"({"type": "json_schema", "schema": {"type": "object", "title": "t"}})";

  const ApiRequest old = parsed(Protocol::messages, head + R"(, "output_format": )" + format + "}");

  EXPECT_EQ(old.output.kind, OutputFormat::Kind::json_schema);
  EXPECT_EQ(old.output.text, R"({"type":"object","title":"t"})");
  EXPECT_EQ(old.output.field, "output_format");
  EXPECT_EQ(
      field_of_error(Protocol::messages, head + R"(, "output_format": )" + format +
                                             R"(, "output_config": {"format": )" + format + "}}"),
      "output_format");
  EXPECT_EQ(
      field_of_error(Protocol::messages, head + R"(, "output_format": {"type": "json_schema"}})"),
      "output_format.schema");
}

TEST(ParseRequest, OtherServersNamesMeanWhatTheyMeanThere) {
  EXPECT_EQ(chat(R"("n_predict": 7)").options.max_tokens, 7u);
  EXPECT_EQ(chat(R"("max_tokens": 5, "n_predict": 7)").options.max_tokens, 5u);
  EXPECT_EQ(parsed(Protocol::completions, R"({"prompt": "a", "n_predict": 7})").options.max_tokens,
            7u);
  EXPECT_EQ(chat(R"("enable_thinking": true)").thinking.mode, ThinkMode::high);
  EXPECT_EQ(chat(R"("enable_thinking": false)").thinking.mode, ThinkMode::off);
  EXPECT_EQ(chat(R"("reasoning": {"effort": "max"})").thinking.mode, ThinkMode::max);
  EXPECT_EQ(chat(R"("reasoning": {"enabled": true})").thinking.mode, ThinkMode::high);
  EXPECT_EQ(chat(R"("reasoning": {"effort": "none"})").thinking.mode, ThinkMode::off);
  EXPECT_EQ(chat(R"("reasoning": {"max_tokens": 9})").thinking.budget_tokens, 9u);
}

TEST(ParseRequest, WhatWouldChangeTheAnswerIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"include_stop_str_in_output", "true"},
      {"truncate_prompt_tokens", "100"},
      {"prompt_logprobs", "1"},
      {"chat_template", R"("{{ x }}")"},
      {"documents", R"([{"text": "d"}])"},
      {"add_generation_prompt", "false"},
      {"reasoning_format", R"("none")"},
      {"samplers", R"(["temperature"])"},
      {"t_max_predict_ms", "10"}};
  for (const auto& [key, value] : cases) {
    const std::string body = fmt::format(R"({{{}, "{}": {}}})", kUser, key, value);
    EXPECT_EQ(field_of_error(Protocol::chat, body), key) << body;
  }
  EXPECT_EQ(field_of_error(Protocol::chat,
                           "{" + kUser + R"(, "repeat_last_n": 64, "repeat_penalty": 1.1})"),
            "repeat_last_n");
  EXPECT_EQ(field_of_error(Protocol::chat, "{" + kUser + R"(, "reasoning": {"exclude": true}})"),
            "reasoning.exclude");
  // What clients send unasked, and what changes nothing.
  chat(R"("include_stop_str_in_output": false, "truncate_prompt_tokens": null, "documents": [],
          "chat_template": "", "add_generation_prompt": true, "reasoning_format": "auto",
          "samplers": [], "t_max_predict_ms": 0, "repeat_last_n": 64, "repeat_penalty": 1.0)");
  chat(R"("samplers": "edkypmxt")");
  chat(R"("samplers": ["penalties", "dry", "top_k", "typ_p", "top_p", "min_p", "xtc",
                       "temperature"])");
  chat(R"("repeat_last_n": -1, "repeat_penalty": 1.1, "t_max_predict_ms": -1)");
}

TEST(ParseRequest, FormatsUnderTheNamesOfOtherProtocolsAreRefused) {
  const std::string messages = R"({"max_tokens": 1, )" + kUser;
  const std::string responses = R"({"input": "a")";
  for (const std::string key : {"response_format", "guided_json", "structured_outputs", "grammar",
                                "json_schema", "guided_choice"}) {
    const std::string field = fmt::format(R"(, "{}": {{"type": "json_object"}}}})", key);
    EXPECT_EQ(field_of_error(Protocol::messages, messages + field), key);
    EXPECT_EQ(field_of_error(Protocol::responses, responses + field), key);
  }
  EXPECT_EQ(
      field_of_error(Protocol::responses, responses + R"(, "response_format": {"type": "text"}})"),
      "no error");
}

TEST(ParseRequest, ResponsesAreNotCutUnasked) {
  EXPECT_EQ(field_of_error(Protocol::responses, R"({"input": "a", "truncation": "auto"})"),
            "truncation");
  EXPECT_EQ(field_of_error(Protocol::responses, R"({"input": "a", "truncation": "disabled"})"),
            "no error");
}

TEST(ParseRequest, ToolsOfOtherServersAreLeftOutOrNamed) {
  const ApiRequest request =
      parsed(Protocol::responses,
             R"({"input": "a", "tools": [{"type": "image_generation"}, {"type": "web_search"}]})");
  const auto refused =
      parse_request(Protocol::responses, R"({"input": "a", "tools": [{"type": "apply_patch"}]})",
                    {.new_id = counted_ids()});

  EXPECT_EQ(request.unoffered_tools, (std::vector<std::string>{"image_generation", "web_search"}));
  EXPECT_EQ(request.response_fields.find("image_generation"), std::string::npos);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find(R"(a custom tool "apply_patch")"), std::string::npos)
      << refused.error().message;
}

TEST(ParseRequest, AllowedToolsMayStandInNamespaces) {
  const std::string head = R"({"input": "a", "tools": [
    {"type": "function", "name": "add"},
    {"type": "namespace", "name": "notes", "tools": [{"type": "function", "name": "add"},
                                                     {"type": "function", "name": "drop"}]}],
    "tool_choice": )";
  const auto names = [&](const std::string& tools) {
    std::string all;
    const ApiRequest request =
        parsed(Protocol::responses,
               head + R"({"type": "allowed_tools", "mode": "auto", "tools": )" + tools + "}}");
    for (const ApiTool& tool : request.tools) all += tool.name + " ";
    return all;
  };

  EXPECT_EQ(names(R"([{"type": "function", "name": "add", "namespace": "notes"}])"), "notes.add ");
  EXPECT_EQ(names(R"([{"type": "function", "name": "add"}])"), "add ");
  EXPECT_EQ(names(R"([{"type": "function", "name": "drop"}])"), "notes.drop ");
  EXPECT_EQ(names(R"([{"type": "function", "name": "notes.drop"}])"), "notes.drop ");
}

}  // namespace hadal
