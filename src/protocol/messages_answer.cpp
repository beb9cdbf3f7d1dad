#include "protocol/messages_answer.h"

#include "chat/python_json.h"
#include "protocol/json_text.h"
#include "protocol/opaque.h"
#include "protocol/sse.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// Anthropic counts cached tokens beside input_tokens, not inside of them.
Json messages_usage_json(const Usage& usage) {
  return {{"input_tokens",
           usage.n_prompt_tokens - std::min(usage.n_cached_tokens, usage.n_prompt_tokens)},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.n_cached_tokens},
          {"output_tokens", usage.n_completion_tokens}};
}

Json message_json(std::string_view id, const AnswerHead& head, Json content, Json stop_reason,
                  Json stop_sequence, const Usage& usage) {
  return {{"id", id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head.model},
          {"content", std::move(content)},
          {"stop_reason", std::move(stop_reason)},
          {"stop_sequence", std::move(stop_sequence)},
          {"usage", messages_usage_json(usage)}};
}

std::string_view stop_reason_name(const AnswerChoice& choice) {
  switch (choice.finish_reason) {
    case FinishReason::length:
      return "max_tokens";
    case FinishReason::tool_calls:
      return "tool_use";
    case FinishReason::stop:
      break;
  }
  return choice.stop_sequence ? "stop_sequence" : "end_turn";
}

Json stop_sequence_json(const AnswerChoice& choice) {
  const bool is_told = choice.finish_reason == FinishReason::stop && choice.stop_sequence;
  return is_told ? Json(*choice.stop_sequence) : Json();
}

std::string signature_of(const std::string& reasoning, bool is_shown) {
  return is_shown ? reasoning_signature(reasoning) : sealed_reasoning(reasoning);
}

/// Arguments as an object; anything else becomes one parameter, as in the prompt.
Json input_json(const std::string& arguments) {
  auto parsed = parse_exact_json(arguments, "arguments");
  if (parsed && parsed->is_object()) return std::move(*parsed);
  return {{"arguments", arguments}};
}

AnswerChoice first_choice(const Answer& answer) {
  return answer.choices.empty() ? AnswerChoice{} : answer.choices.front();
}

/// message_start, blocks one after the other, message_delta, message_stop.
class MessagesStream final : public AnswerStream {
 public:
  MessagesStream(const ApiRequest& request, AnswerHead head)
      : is_shown_(request.thinking.is_shown), id_(head.new_id("msg_")), head_(std::move(head)) {}

  std::string begin(const Usage& usage) override {
    Usage start = usage;
    start.n_completion_tokens = 0;
    return frame("message_start",
                 {{"message", message_json(id_, head_, Json::array(), {}, {}, start)}});
  }

  std::string event(const ChatEvent& event, const EventDetails&) override {
    return std::visit([&](const auto& e) { return tell(e); }, event);
  }

  std::string end(const Answer& answer) override {
    const AnswerChoice choice = first_choice(answer);
    return in_order({close(),
                     frame("message_delta", {{"delta",
                                              {{"stop_reason", stop_reason_name(choice)},
                                               {"stop_sequence", stop_sequence_json(choice)}}},
                                             {"usage", messages_usage_json(answer.usage)}}),
                     frame("message_stop", Json::object())});
  }

  std::string fail(const ApiError& error) override {
    return sse_event("error", error_body(error, Protocol::messages, {}));
  }

  std::string keep_alive() override { return frame("ping", Json::object()); }

  std::string_view id() const override { return id_; }

 private:
  enum class Block : std::uint8_t { none, thinking, text, tool_use };

  static std::string frame(std::string_view type, Json fields) {
    Json json = {{"type", type}};
    json.update(fields);
    return sse_event(type, json_text(json));
  }

  std::string delta(Json json) const {
    return frame("content_block_delta", {{"index", index_}, {"delta", std::move(json)}});
  }

  std::string open(Block block, Json start) {
    if (block == open_ && block != Block::tool_use) return {};
    std::string frames = close();
    open_ = block;
    return frames +
           frame("content_block_start", {{"index", index_}, {"content_block", std::move(start)}});
  }

  std::string close() {
    if (open_ == Block::none) return {};
    std::string frames;
    if (open_ == Block::thinking)
      frames = delta({{"type", "signature_delta"},
                      {"signature", signature_of(std::exchange(reasoning_, {}), is_shown_)}});
    frames += frame("content_block_stop", {{"index", index_}});
    open_ = Block::none;
    ++index_;
    return frames;
  }

  std::string tell(const ReasoningDelta& e) {
    std::string frames =
        open(Block::thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
    reasoning_ += e.text;
    if (is_shown_) frames += delta({{"type", "thinking_delta"}, {"thinking", e.text}});
    return frames;
  }

  std::string tell(const ContentDelta& e) {
    return in_order({open(Block::text, {{"type", "text"}, {"text", ""}}),
                     delta({{"type", "text_delta"}, {"text", e.text}})});
  }

  std::string tell(const ToolCallBegin& e) {
    return open(Block::tool_use,
                {{"type", "tool_use"}, {"id", e.id}, {"name", e.name}, {"input", Json::object()}});
  }

  std::string tell(const ToolCallArgumentsDelta& e) {
    if (open_ != Block::tool_use) return {};
    return delta({{"type", "input_json_delta"}, {"partial_json", e.text}});
  }

  std::string tell(const ToolCallEnd&) { return close(); }
  /// The block stays as far as it was told; the stop reason says that the answer was cut.
  std::string tell(const ToolCallDropped&) { return close(); }

  bool is_shown_;
  std::string id_;
  AnswerHead head_;
  Block open_ = Block::none;
  std::size_t index_ = 0;  ///< of the open block, or of the next
  std::string reasoning_;  ///< of the open thinking block
};

}  // namespace

std::string messages_answer_body(const ApiRequest& request, const AnswerHead& head,
                                 const Answer& answer) {
  const AnswerChoice choice = first_choice(answer);
  const Message& message = choice.message;
  Json content = Json::array();
  if (!message.reasoning_content.empty()) {
    const bool is_shown = request.thinking.is_shown;
    content.push_back({{"type", "thinking"},
                       {"thinking", is_shown ? message.reasoning_content : std::string{}},
                       {"signature", signature_of(message.reasoning_content, is_shown)}});
  }
  if (!message.content.empty()) content.push_back({{"type", "text"}, {"text", message.content}});
  for (const ToolCall& call : message.tool_calls)
    content.push_back({{"type", "tool_use"},
                       {"id", call.id},
                       {"name", call.name},
                       {"input", input_json(call.arguments)}});
  return json_text(message_json(head.new_id("msg_"), head, std::move(content),
                                stop_reason_name(choice), stop_sequence_json(choice),
                                answer.usage));
}

std::unique_ptr<AnswerStream> make_messages_stream(const ApiRequest& request, AnswerHead head) {
  return std::make_unique<MessagesStream>(request, std::move(head));
}

}  // namespace hadal
