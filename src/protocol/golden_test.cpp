// What official clients send is understood, and what we answer is what they were seen to accept:
// tests/golden/protocol/README.md. HADAL_UPDATE_GOLDENS=1 writes the files that are ours.
#include "chat/message_json.h"
#include "chat/prompt_encoder.h"
#include "protocol/json_text.h"
#include "protocol/script_for_test.h"
#include "protocol/sse.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

void expect_golden(const std::string& name, const std::string& actual) {
  if (std::getenv("HADAL_UPDATE_GOLDENS") != nullptr)
    std::ofstream(golden_path(name), std::ios::binary) << actual;
  EXPECT_EQ(actual, read_golden(name)) << name;
}

std::string_view choice_name(ToolChoice::Mode mode) {
  constexpr std::string_view kNames[] = {"auto", "none", "required", "named"};
  return kNames[static_cast<std::size_t>(mode)];
}

/// What a request means, for people who review a golden file.
std::string summary(const ApiRequest& r) {
  const CompletionOptions& o = r.options;
  std::string out = fmt::format(
      "temperature {} top_p {} top_k {} min_p {} repetition {} presence {} frequency {} seed {} "
      "max_tokens {}{} stop {}\n",
      o.temperature, o.top_p, o.top_k, o.min_p, o.repetition_penalty, o.presence_penalty,
      o.frequency_penalty, r.seed ? std::to_string(static_cast<std::int64_t>(*r.seed)) : "none",
      o.max_tokens, r.prefill_only ? " (prefill only)" : "", json_text(Json(o.stop)));
  out += fmt::format("logprobs {} echo {} parallel {} choice {} {}\n",
                     r.n_logprobs ? std::to_string(*r.n_logprobs) : "none", r.echo,
                     r.parallel_tool_calls, choice_name(r.tool_choice.mode), r.tool_choice.name);
  for (const auto& [token, bias] : r.logit_bias) out += fmt::format("bias {} {}\n", token, bias);
  out += fmt::format("thinks {} level {} budget {} shown {} summary {} encrypted {}\n",
                     r.thinking.mode ? static_cast<int>(*r.thinking.mode) : -1,
                     r.thinking.level ? static_cast<int>(*r.thinking.level) : -1,
                     r.thinking.budget_tokens.value_or(0), r.thinking.is_shown,
                     r.thinking.as_summary, r.thinking.encrypted);
  out += fmt::format("output {} {}\n", static_cast<int>(r.output.kind), r.output.text);
  const ClientHints& h = r.hints;
  out += fmt::format(
      "stream {} usage {} cache {} slot {} progress {} timings {} ping {} store {} user {} key {} "
      "metadata {}\n",
      h.stream, h.include_usage, h.cache_prompt, h.id_slot.value_or(-1), h.return_progress,
      h.timings_per_token, h.sse_ping_seconds.value_or(-1), h.store.value_or(true), h.user,
      h.prompt_cache_key, h.metadata);
  for (const ApiTool& t : r.tools)
    out += fmt::format("tool {} = {}/{} strict {}: {}\n", t.name, t.name_space, t.wire_name,
                       t.strict, t.definition);
  for (const auto& type : r.unoffered_tools) out += fmt::format("not offered {}\n", type);
  for (const auto& item : r.input_items) out += fmt::format("item {}\n", item);
  for (const TextPrompt& prompt : r.prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt))
      out += fmt::format("prompt {}\n", *text);
    else
      out += fmt::format("ids {}\n", fmt::join(std::get<1>(prompt), " "));
  }
  for (const Message& m : r.conversation.messages) {
    out += fmt::format("[{}] {} {}{}\n", role_name(m.role), json_text(Json(m.content)),
                       m.tool_call_id, m.wo_eos ? " (continued)" : "");
    if (!m.reasoning_content.empty()) out += fmt::format("  thinks {}\n", m.reasoning_content);
    for (const ToolCall& c : m.tool_calls)
      out += fmt::format("  calls {} {} {}\n", c.id, c.name, c.arguments);
  }
  if (r.conversation.messages.empty()) return out;
  const auto prompt = encode_prompt(r.conversation, {.think = r.thinking.resolve(ThinkMode::off)});
  return out + "--- prompt\n" + (prompt ? prompt->text() : prompt.error().message) + "\n";
}

/// A scripted answer to a recorded request.
struct Script {
  std::string name;
  std::vector<std::string> requests;
  std::vector<ChatEvent> events;
  FinishReason reason;
};

std::vector<Script> scripts() {
  return {
      {"plain",
       {"chat-minimal", "completions-minimal", "responses-minimal", "messages-minimal"},
       {ContentDelta{"Hel"}, ContentDelta{"lo \"w\u00f6rld\"\n"}},
       FinishReason::stop},
      {"tools",
       {"chat-tools", "responses-json_schema", "messages-agent"},
       {ReasoningDelta{"Let me "}, ReasoningDelta{"ask."}, ContentDelta{"Asking"},
        ToolCallBegin{0, "call_x0", "get_weather"}, ToolCallArgumentsDelta{0, "{\"city\": \"Par"},
        ToolCallArgumentsDelta{0, "is\"}"}, ToolCallEnd{0}, ToolCallBegin{1, "call_x1", "now"},
        ToolCallArgumentsDelta{1, "{}"}, ToolCallEnd{1}},
       FinishReason::tool_calls},
      {"custom",
       {"chat-custom_tool", "responses-agent"},
       {ReasoningDelta{"Edit."}, ToolCallBegin{0, "call_y0", "patch"},
        ToolCallArgumentsDelta{0, "{\"input\": \"a\\\"b"}, ToolCallArgumentsDelta{0, "\\nc\"}"},
        ToolCallEnd{0}, ToolCallBegin{1, "call_y1", "apply_patch"},
        ToolCallArgumentsDelta{1, "{\"input\": \"x\"}"}, ToolCallEnd{1},
        ToolCallBegin{2, "call_y2", "notes.add"}, ToolCallArgumentsDelta{2, "{\"text\": \"n\"}"},
        ToolCallEnd{2}},
       FinishReason::tool_calls},
      {"cut",
       {"chat-sampling", "completions-ids", "responses-json_schema", "messages-schema"},
       {ReasoningDelta{"Hm."}, ContentDelta{"Hel"}},
       FinishReason::length},
      {"empty",
       {"chat-minimal", "completions-minimal", "responses-minimal", "messages-minimal"},
       {},
       FinishReason::stop}};
}

}  // namespace

TEST(ProtocolGoldens, RequestsOfOfficialClientsMeanWhatWasReviewed) {
  const auto names = golden_requests();

  ASSERT_GE(names.size(), 19u);
  for (const std::string& name : names)
    expect_golden("parsed/" + name + ".txt", summary(golden_request(name)));
}

TEST(ProtocolGoldens, AnswersAreThoseThatOfficialClientsAccepted) {
  for (const Script& script : scripts()) {
    for (const std::string& name : script.requests) {
      const ApiRequest request = golden_request(name);
      const Answer answer = answer_of(script.events, script.reason);

      expect_golden("answers/" + name + "." + script.name + ".json",
                    answer_body(request, test_head(), answer) + "\n");
      expect_golden("answers/" + name + "." + script.name + ".sse",
                    stream_of(request, script.events, answer));
    }
  }
}

TEST(ProtocolGoldens, LogprobsAreThoseThatOfficialClientsAccepted) {
  const std::vector<TokenLogprob> tokens = {
      {"Q:", std::nullopt, {}},
      {" \xC3", -0.5f, {{" \xC3", -0.5f}, {"a", -2.25f}}},
      {"\xA9", -1.25f, {{"\xA9", -1.25f}, {"b", -std::numeric_limits<float>::infinity()}}}};
  for (const std::string name : {"completions-echo", "chat-sampling", "responses-named_tool"}) {
    const ApiRequest request = golden_request(name);
    Answer answer = answer_of({ContentDelta{"Q: \u00e9"}}, FinishReason::stop);
    answer.choices[0].logprobs = tokens;
    if (name == "completions-echo") answer.choices.push_back(answer.choices[0]);

    expect_golden("answers/" + name + ".logprobs.json",
                  answer_body(request, test_head(), answer) + "\n");
    const auto stream = make_answer_stream(request, test_head());
    std::string text = stream->begin({});
    for (std::size_t choice = 0; choice < answer.choices.size(); ++choice) {
      text += stream->event(ContentDelta{"Q:"}, {choice, std::span(tokens).first(1)});
      text += stream->event(ContentDelta{" \u00e9"}, {choice, std::span(tokens).subspan(1)});
    }
    expect_golden("answers/" + name + ".logprobs.sse", text + stream->end(answer));
  }
}

TEST(ProtocolGoldens, FailuresAndSignsOfLifeAreThoseThatOfficialClientsAccepted) {
  for (const std::string name :
       {"chat-vendor", "completions-minimal", "responses-minimal", "messages-minimal"}) {
    const ApiRequest request = golden_request(name);
    const auto stream = make_answer_stream(request, test_head());
    std::string text = stream->begin({});
    text += stream->keep_alive();
    text += stream->progress(512, 1024, 128, 0.25);
    text += stream->event(ContentDelta{"Hel"});
    const ApiError error = test_error(ApiError::Kind::overloaded, "out of memory");
    expect_golden("answers/" + name + ".failed.sse", text + stream->fail(error));

    const auto alive = make_answer_stream(request, test_head());
    text = in_order({alive->begin({}), alive->keep_alive(), alive->progress(512, 1024, 128, 0.25),
                     alive->event(ContentDelta{"Hello"}), alive->keep_alive(),
                     alive->end(answer_of({ContentDelta{"Hello"}}, FinishReason::stop))});
    expect_golden("answers/" + name + ".alive.sse", text);
  }
}

TEST(ProtocolGoldens, ErrorsAreThoseThatOfficialClientsMapToTheirClasses) {
  for (std::size_t kind = 0; kind <= static_cast<std::size_t>(ApiError::Kind::overloaded); ++kind) {
    const ApiError error =
        test_error(static_cast<ApiError::Kind>(kind), "why", kind == 0 ? "messages[0].role" : "");
    for (const Protocol protocol : {Protocol::chat, Protocol::messages}) {
      const std::string name = protocol == Protocol::chat ? "openai" : "anthropic";
      expect_golden(
          fmt::format("answers/error-{}-{:02}-{}.json", name, kind, http_status(error, protocol)),
          error_body(error, protocol, "req_1") + "\n");
    }
  }
}

}  // namespace hadal
