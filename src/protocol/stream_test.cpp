// Order of the events of each protocol, over random answers.
#include "chat/python_json.h"
#include "protocol/custom_tool.h"
#include "protocol/json_text.h"
#include "protocol/opaque.h"
#include "protocol/script_for_test.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

struct Frame {
  std::string event;  ///< empty: none
  std::string data;
};

/// Splits a stream and checks its form: one optional event line, one data line, an empty line.
std::vector<Frame> frames_of(std::string_view text) {
  std::vector<Frame> frames;
  while (!text.empty()) {
    const auto end = text.find("\n\n");
    std::string_view block = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    EXPECT_NE(end, std::string_view::npos);
    Frame frame;
    if (block.starts_with("event: ")) {
      frame.event = block.substr(7, block.find('\n') - 7);
      block.remove_prefix(block.find('\n') + 1);
    }
    EXPECT_TRUE(block.starts_with("data: ")) << block;
    EXPECT_EQ(block.find('\n'), std::string_view::npos) << block;
    frame.data = block.substr(6);
    frames.push_back(std::move(frame));
  }
  return frames;
}

/// An answer as StreamParser tells it: reasoning, content, calls, content again; possibly cut.
struct RandomAnswer {
  std::vector<ChatEvent> events;
  FinishReason reason = FinishReason::stop;
};

RandomAnswer random_answer(std::mt19937& random) {
  const auto upto = [&](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n + 1));
  };
  const std::vector<std::string> texts = {"a",           " b",  "\"\\\n", "\u00f6\u4e16",
                                          "data: x\n\n", "\x01"};
  const auto text = [&] { return texts[static_cast<std::size_t>(upto(5))]; };
  RandomAnswer answer;
  for (int i = upto(3); i > 0; --i) answer.events.push_back(ReasoningDelta{text()});
  for (int i = upto(3); i > 0; --i) answer.events.push_back(ContentDelta{text()});
  const int n_calls = upto(3);
  for (std::size_t call = 0; call < static_cast<std::size_t>(n_calls); ++call) {
    const bool is_patch = upto(1) == 1;
    answer.events.push_back(
        ToolCallBegin{call, fmt::format("call_{}", call), is_patch ? "apply_patch" : "shell"});
    std::string arguments = json_text({{is_patch ? "input" : "command", text() + text()}});
    while (!arguments.empty()) {
      const auto n = static_cast<std::size_t>(1 + upto(5));
      std::string piece = valid_utf8(arguments.substr(0, n)) == arguments.substr(0, n)
                              ? arguments.substr(0, n)
                              : arguments;
      arguments.erase(0, piece.size());
      answer.events.push_back(ToolCallArgumentsDelta{call, std::move(piece)});
    }
    answer.events.push_back(ToolCallEnd{call});
    answer.reason = FinishReason::tool_calls;
  }
  for (int i = n_calls > 0 ? upto(1) : 0; i > 0; --i) answer.events.push_back(ContentDelta{text()});
  if (upto(4) == 0) {
    const auto call = static_cast<std::size_t>(n_calls);
    answer.events.push_back(ToolCallBegin{call, "call_cut", "shell"});
    answer.events.push_back(ToolCallArgumentsDelta{call, "{\"command\": \"l"});
    answer.events.push_back(ToolCallDropped{call});
    answer.reason = FinishReason::length;
  }
  return answer;
}

ApiRequest request_for(Protocol protocol) {
  ApiRequest request =
      golden_request(protocol == Protocol::completions ? "completions-minimal" : "responses-agent");
  request.protocol = protocol;
  request.hints.include_usage = true;
  request.thinking.as_summary = false;
  return request;
}

/// Runs `check(frames, body of the same answer, answer)` over many random answers.
template <typename Check>
void for_random_answers(Protocol protocol, const Check& check) {
  const ApiRequest request = request_for(protocol);
  std::mt19937 random(7);
  for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(fmt::format("answer {}", i));
    const RandomAnswer answer = random_answer(random);
    const Answer whole = answer_of(answer.events, answer.reason);
    const std::string text = stream_of(request, answer.events, whole);
    SCOPED_TRACE(text);
    check(frames_of(text), Json::parse(answer_body(request, test_head(), whole)), answer);
  }
}

}  // namespace

TEST(ChatStream, SaysRoleFirstThenDeltasReasonUsageDone) {
  for_random_answers(Protocol::chat, [](const auto& frames, const Json& body, const auto& answer) {
    Json message = {{"role", "assistant"}};
    std::string content, reasoning;
    std::map<int, Json> calls;
    ASSERT_GE(frames.size(), 4u);
    for (std::size_t i = 0; i + 3 < frames.size(); ++i) {
      const Json chunk = Json::parse(frames[i].data);
      EXPECT_EQ(chunk["id"], "chatcmpl-0001");
      EXPECT_TRUE(chunk["usage"].is_null());
      const Json& delta = chunk["choices"][0]["delta"];
      EXPECT_EQ(delta.contains("role"), i == 0);
      EXPECT_TRUE(chunk["choices"][0]["finish_reason"].is_null());
      content += delta.value("content", "");
      reasoning += delta.value("reasoning_content", "");
      for (const Json& call : delta.value("tool_calls", Json::array())) {
        const int index = call["index"];
        EXPECT_EQ(call.contains("id"), !calls.contains(index));
        if (!calls.contains(index)) {
          calls[index] = call;
          continue;
        }
        const std::string kind = calls[index]["type"];
        const std::string key = kind == "custom" ? "input" : "arguments";
        EXPECT_FALSE(call[kind].contains("name"));
        calls[index][kind][key] =
            calls[index][kind][key].get<std::string>() + call[kind][key].get<std::string>();
      }
    }
    const Json last = Json::parse(frames[frames.size() - 3].data);
    const Json usage = Json::parse(frames[frames.size() - 2].data);
    EXPECT_EQ(frames.back().data, "[DONE]");
    EXPECT_EQ(last["choices"][0]["finish_reason"], finish_reason_name(answer.reason));
    EXPECT_TRUE(usage["choices"].empty());
    EXPECT_EQ(usage["usage"], body["usage"]);

    const Json& expected = body["choices"][0]["message"];
    EXPECT_EQ(content, expected["content"].is_null() ? "" : expected["content"]);
    EXPECT_EQ(reasoning, expected.value("reasoning_content", ""));
    const Json expected_calls = expected.value("tool_calls", Json::array());
    ASSERT_GE(calls.size(), expected_calls.size());
    for (std::size_t i = 0; i < expected_calls.size(); ++i) {
      Json call = calls[static_cast<int>(i)];
      call.erase("index");
      EXPECT_EQ(call, expected_calls[i]);
    }
  });
}

TEST(MessagesStream, OpensAndClosesOneBlockAfterTheOther) {
  for_random_answers(Protocol::messages, [](const auto& frames, const Json& body, const auto&) {
    Json blocks = Json::array();
    bool is_open = false;
    std::string arguments;
    ASSERT_GE(frames.size(), 3u);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const Json json = Json::parse(frames[i].data);
      const std::string type = json["type"];
      EXPECT_EQ(frames[i].event, type);
      EXPECT_EQ(type == "message_start", i == 0);
      EXPECT_EQ(type == "message_delta", i + 2 == frames.size());
      EXPECT_EQ(type == "message_stop", i + 1 == frames.size());
      if (json.contains("index")) {
        EXPECT_EQ(json["index"], is_open ? blocks.size() - 1 : blocks.size());
      }
      if (type == "content_block_start") {
        EXPECT_FALSE(is_open);
        is_open = true;
        blocks.push_back(json["content_block"]);
        arguments.clear();
      }
      if (type == "content_block_delta") {
        ASSERT_TRUE(is_open);
        const std::string kind = json["delta"]["type"];
        const std::string key = kind.substr(0, kind.find('_'));
        if (kind == "input_json_delta")
          arguments += json["delta"]["partial_json"].template get<std::string>();
        else
          blocks.back()[key] = blocks.back()[key].template get<std::string>() +
                               json["delta"][key].template get<std::string>();
      }
      if (type == "content_block_stop") {
        EXPECT_TRUE(is_open);
        is_open = false;
        const bool is_whole = Json::accept(arguments);
        if (blocks.back()["type"] == "tool_use" && is_whole)
          blocks.back()["input"] = Json::parse(arguments);
      }
    }
    EXPECT_FALSE(is_open);
    const Json delta = Json::parse(frames[frames.size() - 2].data);
    EXPECT_EQ(delta["delta"]["stop_reason"], body["stop_reason"]);
    EXPECT_EQ(delta["usage"], body["usage"]);
    std::string text, expected_text;
    Json others = Json::array(), expected_others = Json::array();
    for (const Json& block : blocks)
      if (block["type"] == "text")
        text += block["text"].get<std::string>();
      else if (block.value("id", "") != "call_cut")
        others.push_back(block);
    for (const Json& block : body["content"])
      if (block["type"] == "text")
        expected_text += block["text"].get<std::string>();
      else
        expected_others.push_back(block);
    EXPECT_EQ(text, expected_text);
    EXPECT_EQ(others, expected_others);
  });
}

TEST(ResponsesStream, NumbersEventsAndFinishesEachItemBeforeTheNext) {
  for_random_answers(
      Protocol::responses, [](const auto& frames, const Json& body, const auto& answer) {
        Json items = Json::array();
        std::string open, text;
        ASSERT_GE(frames.size(), 3u);
        for (std::size_t i = 0; i < frames.size(); ++i) {
          const Json json = Json::parse(frames[i].data);
          const std::string type = json["type"];
          EXPECT_EQ(frames[i].event, type);
          EXPECT_EQ(json["sequence_number"], i);
          EXPECT_EQ(type == "response.created", i == 0);
          EXPECT_EQ(type == "response.in_progress", i == 1);
          if (json.contains("output_index")) {
            EXPECT_EQ(json["output_index"], items.size());
          }
          if (type == "response.output_item.added") {
            EXPECT_TRUE(open.empty() || open.ends_with("cut")) << open;
            open = json["item"]["id"];
            text.clear();
          } else if (json.contains("item_id")) {
            EXPECT_EQ(json["item_id"], open);
          }
          if (type.ends_with(".delta")) text += json["delta"].template get<std::string>();
          for (const std::string key : {"text", "arguments", "input"})
            if (type.ends_with(".done") && json.contains(key)) {
              EXPECT_EQ(json[key], text);
            }
          if (type == "response.output_item.done") {
            EXPECT_EQ(json["item"]["id"], open);
            items.push_back(json["item"]);
            open.clear();
          }
        }
        const Json last = Json::parse(frames.back().data);
        const Json& response = last["response"];
        const bool is_cut = answer.reason == FinishReason::length;
        EXPECT_EQ(frames.back().event, is_cut ? "response.incomplete" : "response.completed");
        EXPECT_EQ(response["status"], is_cut ? "incomplete" : "completed");
        EXPECT_EQ(response["output"], items);
        EXPECT_EQ(response["usage"], body["usage"]);
        EXPECT_EQ(response["tools"], body["tools"]);
        const auto without_ids = [](const Json& output, const char* type) {
          std::string all;
          for (Json item : output) {
            item.erase("id");
            const bool is_text = item["type"] == "message";
            if (item["type"] == type)
              all += is_text ? item["content"][0]["text"].get<std::string>() : item.dump();
          }
          return all;
        };
        for (const char* type : {"reasoning", "message", "function_call", "custom_tool_call"})
          EXPECT_EQ(without_ids(items, type), without_ids(body["output"], type));
      });
}

TEST(ResponsesStream, CutItemsAreIncompleteAsInTheBody) {
  const ApiRequest request = request_for(Protocol::responses);
  const std::vector<std::pair<std::vector<ChatEvent>, std::string>> cases = {
      {{ReasoningDelta{"r"}, ContentDelta{"c"}}, "completed incomplete "},
      {{ReasoningDelta{"r"}}, "incomplete "},
      {{ContentDelta{"c"}, ToolCallBegin{0, "i", "shell"}, ToolCallDropped{0}}, "completed "},
      {{ContentDelta{"c"}, ToolCallBegin{0, "i", "shell"}, ToolCallArgumentsDelta{0, "{}"},
        ToolCallEnd{0}},
       "completed completed "}};
  const auto statuses = [](const Json& response) {
    std::string all;
    for (const Json& item : response["output"]) all += item["status"].get<std::string>() + " ";
    return all;
  };
  for (const auto& [events, expected] : cases) {
    const Answer cut = answer_of(events, FinishReason::length);
    const auto frames = frames_of(stream_of(request, events, cut));
    EXPECT_EQ(statuses(Json::parse(frames.back().data)["response"]), expected);
    EXPECT_EQ(statuses(Json::parse(answer_body(request, test_head(), cut))), expected);
  }
}

TEST(Timings, TellDraftsIfThereWereAny) {
  ApiRequest request = golden_request("chat-minimal");
  request.hints.timings_per_token = true;
  Answer answer = answer_of({ContentDelta{"c"}}, FinishReason::stop);
  answer.timings = Timings{.prefill_seconds = 1, .decode_seconds = 1};
  const auto timings = [&] {
    return Json::parse(answer_body(request, test_head(), answer))["timings"];
  };

  EXPECT_FALSE(timings().contains("draft_n"));
  answer.timings->n_drafted = 5;
  answer.timings->n_accepted = 3;
  EXPECT_EQ(timings()["draft_n"], 5);
  EXPECT_EQ(timings()["draft_n_accepted"], 3);
}

TEST(ChatStream, NamesTheChoiceOfEachChunk) {
  ApiRequest request = golden_request("chat-custom_tool");
  request.n_choices = 2;
  const auto stream = make_answer_stream(request, test_head());
  std::string text = stream->begin({});
  // Calls of two choices at the same time: their inputs are told apart.
  for (const ChatEvent& event : std::vector<ChatEvent>{
           ToolCallBegin{0, "i", "patch"}, ToolCallArgumentsDelta{0, "{\"input\": \"a"},
           ToolCallArgumentsDelta{0, "b\"}"}, ToolCallEnd{0}})
    for (const std::size_t choice : {0u, 1u}) text += stream->event(event, {.choice = choice});
  Answer answer = answer_of({}, FinishReason::stop);
  answer.choices.push_back({});
  answer.choices[1].finish_reason = FinishReason::length;
  text += stream->end(answer);

  std::vector<std::string> roles(2), inputs(2), reasons(2);
  for (const Frame& frame : frames_of(text)) {
    if (frame.data == "[DONE]") continue;
    const Json choice = Json::parse(frame.data)["choices"][0];
    const std::size_t index = choice["index"];
    const Json& delta = choice["delta"];
    roles.at(index) += delta.value("role", "");
    for (const Json& call : delta.value("tool_calls", Json::array()))
      inputs.at(index) += call["custom"].value("input", "");
    if (!choice["finish_reason"].is_null()) reasons.at(index) += choice["finish_reason"];
  }
  EXPECT_EQ(roles, (std::vector<std::string>{"assistant", "assistant"}));
  EXPECT_EQ(inputs, (std::vector<std::string>{"ab", "ab"}));
  EXPECT_EQ(reasons, (std::vector<std::string>{"stop", "length"}));
}

TEST(CompletionsStream, SaysTextThenReasonsUsageDone) {
  for_random_answers(Protocol::completions, [](const auto& frames, const Json& body, const auto&) {
    std::string text;
    ASSERT_GE(frames.size(), 3u);
    for (std::size_t i = 0; i + 2 < frames.size(); ++i) {
      const Json chunk = Json::parse(frames[i].data);
      text += chunk["choices"][0]["text"].template get<std::string>();
      EXPECT_EQ(chunk["choices"][0]["finish_reason"].is_null(), i + 3 < frames.size());
    }
    EXPECT_EQ(text, body["choices"][0]["text"]);
    EXPECT_EQ(frames.back().data, "[DONE]");
  });
}

TEST(AnyStream, AnyOrderOfEventsGivesValidFrames) {
  std::mt19937 random(11);
  for (const Protocol protocol :
       {Protocol::chat, Protocol::completions, Protocol::responses, Protocol::messages}) {
    const ApiRequest request = request_for(protocol);
    for (int i = 0; i < 100; ++i) {
      std::vector<ChatEvent> events;
      while (random() % 12 != 0) {
        const std::size_t index = random() % 3;
        const std::vector<ChatEvent> choices = {ReasoningDelta{"r"},
                                                ContentDelta{"c"},
                                                ToolCallBegin{index, "i", "apply_patch"},
                                                ToolCallArgumentsDelta{index, "{\"input"},
                                                ToolCallEnd{index},
                                                ToolCallDropped{index}};
        events.push_back(choices[random() % choices.size()]);
      }
      const auto stream = make_answer_stream(request, test_head());
      std::string text = stream->begin({});
      for (const ChatEvent& event : events) text += stream->event(event);
      text += random() % 2 == 0 ? stream->fail(test_error(ApiError::Kind::server_error, "m"))
                                : stream->end({});
      for (const Frame& frame : frames_of(text))
        EXPECT_TRUE(frame.data == "[DONE]" || Json::accept(frame.data)) << frame.data;
    }
  }
}

TEST(CustomToolInput, AnySplitGivesTheSameText) {
  for (const std::string input : {"", "a\"b\\\n\t", "\u00f6\u4e16\U0001F600", "{\"input\": 1}"}) {
    for (const std::string& arguments :
         {custom_tool_arguments(input), Json({{"input", input}}).dump(2, ' ', true)}) {
      for (std::size_t step = 1; step < 8; ++step) {
        CustomToolInput reader;
        std::string text;
        for (std::size_t i = 0; i < arguments.size(); i += step)
          text += reader.feed(std::string_view(arguments).substr(i, step));
        EXPECT_EQ(text + reader.finish(), input) << arguments << " in steps of " << step;
      }
    }
  }
}

TEST(CustomToolInput, OtherArgumentsStayAsTheyAre) {
  for (const std::string arguments :
       {"{\"patch\": \"x\"}", "{\"input\": 7}", "[1]", "{}", "{\"inp"})
    EXPECT_EQ(custom_tool_input(arguments), arguments);
}

TEST(SealedReasoning, OpensToTheSameText) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\u00f6\u4e16\U0001F600\n"})
    EXPECT_EQ(unseal_reasoning(sealed_reasoning(text)), text);
  EXPECT_EQ(unseal_reasoning("other"), std::nullopt);
  EXPECT_EQ(unseal_reasoning("hadal-r1.a"), std::nullopt);
  EXPECT_EQ(unseal_reasoning("hadal-r1.****"), std::nullopt);
  EXPECT_EQ(unseal_reasoning("hadal-r1./////w=="), std::nullopt);  // no UTF-8
  EXPECT_NE(reasoning_signature("a"), reasoning_signature("b"));
}

}  // namespace hadal
