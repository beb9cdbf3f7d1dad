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

/// chat.completion.chunk: the roles first, then deltas, the finish reasons, the usage, [DONE].
class ChatStream final : public AnswerStream {
 public:
  ChatStream(const ApiRequest& request, AnswerHead head)
      : tools_(request.tools),
        hints_(request.hints),
        n_choices_(request.n_choices),
        wants_logprobs_(request.n_logprobs),
        id_(head.new_id("chatcmpl-")),
        head_(std::move(head)) {}

  std::string begin(const Usage&) override {
    std::string frames;
    for (std::size_t i = 0; i < n_choices_; ++i)
      frames += delta(i, {{"role", "assistant"}, {"content", ""}});
    return frames;
  }

  std::string event(const ChatEvent& event, const EventDetails& details) override {
    return std::visit([&](const auto& e) { return tell(e, details); }, event);
  }

  std::string end(const Answer& answer) override {
    std::string frames;
    for (std::size_t i = 0; i < n_choices_; ++i) {
      Json last = last_chunk(i, i < answer.choices.size() ? answer.choices[i] : AnswerChoice{});
      const bool is_last = i + 1 == n_choices_;
      if (is_last && hints_.timings_per_token && answer.timings)
        last["timings"] = timings_json(*answer.timings, answer.usage);
      if (is_last && !answer.warning.empty()) last["warning"] = answer.warning;
      frames += sse_data(json_text(last));
    }
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
    Json json = chunk(Json::array({choice(0, Json::object(), nullptr)}));
    json["prompt_progress"] = progress_json(n_done, n_total, n_cached, seconds);
    return sse_data(json_text(json));
  }

  std::string_view id() const override { return id_; }

 private:
  using CallPlace = std::pair<std::size_t, std::size_t>;  ///< index of choice and call

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

  Json last_chunk(std::size_t index, const AnswerChoice& told) const {
    Json json = choice(index, Json::object(), finish_reason_name(told.finish_reason));
    json["logprobs"] = logprobs_json(told.last_logprobs);
    return chunk(Json::array({std::move(json)}));
  }

  static Json choice(std::size_t index, Json delta, const Json& finish_reason) {
    return {{"index", index},
            {"delta", std::move(delta)},
            {"logprobs", nullptr},
            {"finish_reason", finish_reason}};
  }

  Json logprobs_json(std::span<const TokenLogprob> logprobs) const {
    if (!wants_logprobs_ || logprobs.empty()) return {};
    return {{"content", token_logprobs_json(logprobs)}, {"refusal", nullptr}};
  }

  std::string delta(std::size_t index, Json delta,
                    std::span<const TokenLogprob> logprobs = {}) const {
    Json json = choice(index, std::move(delta), nullptr);
    json["logprobs"] = logprobs_json(logprobs);
    return sse_data(json_text(chunk(Json::array({std::move(json)}))));
  }

  std::string call_delta(std::size_t index, Json call) const {
    return delta(index, {{"tool_calls", Json::array({std::move(call)})}});
  }

  std::string tell(const ReasoningDelta& e, const EventDetails& details) const {
    return delta(details.choice, {{"reasoning_content", e.text}});
  }

  std::string tell(const ContentDelta& e, const EventDetails& details) const {
    return delta(details.choice, {{"content", e.text}}, details.logprobs);
  }

  std::string tell(const ToolCallBegin& e, const EventDetails& details) {
    const ApiTool tool = tool_called(tools_, e.name);
    if (tool.kind == ApiTool::Kind::custom) {
      custom_inputs_.emplace(CallPlace(details.choice, e.index), CustomToolInput());
      return call_delta(details.choice, {{"index", e.index},
                                         {"id", e.id},
                                         {"type", "custom"},
                                         {"custom", {{"name", tool.wire_name}, {"input", ""}}}});
    }
    return call_delta(details.choice,
                      {{"index", e.index},
                       {"id", e.id},
                       {"type", "function"},
                       {"function", {{"name", tool.wire_name}, {"arguments", ""}}}});
  }

  std::string custom_delta(const CallPlace& place, const std::string& input) const {
    if (input.empty()) return {};
    return call_delta(place.first, {{"index", place.second}, {"custom", {{"input", input}}}});
  }

  std::string tell(const ToolCallArgumentsDelta& e, const EventDetails& details) {
    const CallPlace place(details.choice, e.index);
    const auto custom = custom_inputs_.find(place);
    if (custom != custom_inputs_.end()) return custom_delta(place, custom->second.feed(e.text));
    return call_delta(details.choice, {{"index", e.index}, {"function", {{"arguments", e.text}}}});
  }

  std::string tell(const ToolCallEnd& e, const EventDetails& details) {
    const CallPlace place(details.choice, e.index);
    const auto custom = custom_inputs_.find(place);
    return custom == custom_inputs_.end() ? std::string{}
                                          : custom_delta(place, custom->second.finish());
  }

  /// What was told cannot be taken back; the finish reason says that the answer was cut.
  std::string tell(const ToolCallDropped&, const EventDetails&) const { return {}; }

  std::vector<ApiTool> tools_;
  ClientHints hints_;
  std::size_t n_choices_;
  bool wants_logprobs_;
  std::string id_;
  AnswerHead head_;
  std::map<CallPlace, CustomToolInput> custom_inputs_;  ///< of custom calls
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
