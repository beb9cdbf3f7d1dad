#include "protocol/chat_answer.h"

#include "protocol/custom_tool.h"
#include "protocol/json_text.h"
#include "protocol/openai_parts.h"
#include "protocol/sse.h"

#include <nlohmann/json.hpp>

#include <map>
#include <utility>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

Json call_json(const std::vector<ApiTool>& tools, const ToolCall& call) {
  const ApiTool tool = tool_called(tools, call.name);
  if (tool.kind == ApiTool::Kind::custom)
    return {{"id", call.id},
            {"type", "custom"},
            {"custom", {{"name", tool.wire_name}, {"input", custom_tool_input(call.arguments)}}}};
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", tool.wire_name}, {"arguments", call.arguments}}}};
}

Json message_json(const std::vector<ApiTool>& tools, const Message& message) {
  const bool has_text = !message.content.empty() || message.tool_calls.empty();
  Json json = {{"role", "assistant"},
               {"content", has_text ? Json(message.content) : Json()},
               {"refusal", nullptr}};
  if (!message.reasoning_content.empty()) json["reasoning_content"] = message.reasoning_content;
  for (const ToolCall& call : message.tool_calls)
    json["tool_calls"].push_back(call_json(tools, call));
  return json;
}

/// chat.completion.chunk: the role first, then deltas, the finish reason, the usage, [DONE].
class ChatStream final : public AnswerStream {
 public:
  ChatStream(const ApiRequest& request, AnswerHead head)
      : tools_(request.tools),
        hints_(request.hints),
        wants_logprobs_(request.n_logprobs),
        id_(head.new_id("chatcmpl-")),
        head_(std::move(head)) {}

  std::string begin(const Usage&) override {
    return delta({{"role", "assistant"}, {"content", ""}});
  }

  std::string event(const ChatEvent& event, const EventDetails& details) override {
    return std::visit([&](const auto& e) { return tell(e, details); }, event);
  }

  std::string end(const Answer& answer) override {
    const AnswerChoice first = answer.choices.empty() ? AnswerChoice{} : answer.choices.front();
    Json end = choice(Json::object(), finish_reason_name(first.finish_reason));
    end["logprobs"] = logprobs_json(first.last_logprobs);
    Json last = chunk(Json::array({std::move(end)}));
    if (hints_.timings_per_token && answer.timings)
      last["timings"] = timings_json(*answer.timings, answer.usage);
    if (!answer.warning.empty()) last["warning"] = answer.warning;
    std::string frames = sse_data(json_text(last));
    if (hints_.include_usage) {
      Json usage = chunk(Json::array());
      usage["usage"] = usage_json(answer.usage);
      frames += sse_data(json_text(usage));
    }
    return frames + sse_data("[DONE]");
  }

  std::string fail(const ApiError& error) override {
    return sse_data(error_body(error, Protocol::chat, {}));
  }

  std::string keep_alive() override { return sse_comment("keep-alive"); }

  std::string progress(std::size_t n_done, std::size_t n_total, std::size_t n_cached,
                       double seconds) override {
    if (!hints_.return_progress) return keep_alive();
    Json json = chunk(Json::array({choice(Json::object(), nullptr)}));
    json["prompt_progress"] = progress_json(n_done, n_total, n_cached, seconds);
    return sse_data(json_text(json));
  }

  std::string_view id() const override { return id_; }

 private:
  Json chunk(Json choices) const {
    Json json = {{"id", id_},
                 {"object", "chat.completion.chunk"},
                 {"created", head_.created_seconds},
                 {"model", head_.model},
                 {"system_fingerprint", head_.system_fingerprint},
                 {"choices", std::move(choices)}};
    if (hints_.include_usage) json["usage"] = nullptr;
    return json;
  }

  Json choice(Json delta, const Json& finish_reason) const {
    return {{"index", 0},
            {"delta", std::move(delta)},
            {"logprobs", nullptr},
            {"finish_reason", finish_reason}};
  }

  Json logprobs_json(std::span<const TokenLogprob> logprobs) const {
    if (!wants_logprobs_ || logprobs.empty()) return {};
    return {{"content", token_logprobs_json(logprobs)}, {"refusal", nullptr}};
  }

  std::string delta(Json delta, std::span<const TokenLogprob> logprobs = {}) const {
    Json json = choice(std::move(delta), nullptr);
    json["logprobs"] = logprobs_json(logprobs);
    return sse_data(json_text(chunk(Json::array({std::move(json)}))));
  }

  std::string call_delta(Json call) const {
    return delta({{"tool_calls", Json::array({std::move(call)})}});
  }

  std::string tell(const ReasoningDelta& e, const EventDetails&) const {
    return delta({{"reasoning_content", e.text}});
  }

  std::string tell(const ContentDelta& e, const EventDetails& details) const {
    return delta({{"content", e.text}}, details.logprobs);
  }

  std::string tell(const ToolCallBegin& e, const EventDetails&) {
    const ApiTool tool = tool_called(tools_, e.name);
    if (tool.kind == ApiTool::Kind::custom) {
      custom_inputs_.emplace(e.index, CustomToolInput());
      return call_delta({{"index", e.index},
                         {"id", e.id},
                         {"type", "custom"},
                         {"custom", {{"name", tool.wire_name}, {"input", ""}}}});
    }
    return call_delta({{"index", e.index},
                       {"id", e.id},
                       {"type", "function"},
                       {"function", {{"name", tool.wire_name}, {"arguments", ""}}}});
  }

  std::string custom_delta(std::size_t index, const std::string& input) const {
    if (input.empty()) return {};
    return call_delta({{"index", index}, {"custom", {{"input", input}}}});
  }

  std::string tell(const ToolCallArgumentsDelta& e, const EventDetails&) {
    const auto custom = custom_inputs_.find(e.index);
    if (custom != custom_inputs_.end()) return custom_delta(e.index, custom->second.feed(e.text));
    return call_delta({{"index", e.index}, {"function", {{"arguments", e.text}}}});
  }

  std::string tell(const ToolCallEnd& e, const EventDetails&) {
    const auto custom = custom_inputs_.find(e.index);
    return custom == custom_inputs_.end() ? std::string{}
                                          : custom_delta(e.index, custom->second.finish());
  }

  /// What was told cannot be taken back; the finish reason says that the answer was cut.
  std::string tell(const ToolCallDropped&, const EventDetails&) const { return {}; }

  std::vector<ApiTool> tools_;
  ClientHints hints_;
  bool wants_logprobs_;
  std::string id_;
  AnswerHead head_;
  std::map<std::size_t, CustomToolInput> custom_inputs_;  ///< of custom calls, by index
};

}  // namespace

std::string chat_answer_body(const ApiRequest& request, const AnswerHead& head,
                             const Answer& answer) {
  Json choices = Json::array();
  for (const AnswerChoice& choice : answer.choices) {
    Json logprobs;
    if (request.n_logprobs)
      logprobs = {{"content", token_logprobs_json(choice.logprobs)}, {"refusal", nullptr}};
    choices.push_back({{"index", choices.size()},
                       {"message", message_json(request.tools, choice.message)},
                       {"logprobs", std::move(logprobs)},
                       {"finish_reason", finish_reason_name(choice.finish_reason)}});
  }
  Json json = {{"id", head.new_id("chatcmpl-")},
               {"object", "chat.completion"},
               {"created", head.created_seconds},
               {"model", head.model},
               {"system_fingerprint", head.system_fingerprint},
               {"choices", std::move(choices)},
               {"usage", usage_json(answer.usage)}};
  if (request.hints.timings_per_token && answer.timings)
    json["timings"] = timings_json(*answer.timings, answer.usage);
  if (!answer.warning.empty()) json["warning"] = answer.warning;
  return json_text(json);
}

std::unique_ptr<AnswerStream> make_chat_stream(const ApiRequest& request, AnswerHead head) {
  return std::make_unique<ChatStream>(request, std::move(head));
}

}  // namespace hadal
