#include "protocol/responses_answer.h"

#include "chat/python_json.h"
#include "protocol/custom_tool.h"
#include "protocol/json_text.h"
#include "protocol/openai_parts.h"
#include "protocol/responses_items.h"
#include "protocol/sse.h"

#include <utility>

namespace hadal {

namespace {

using Json = ResponseJson;

Json fields_of(const ApiRequest& request) {
  auto fields = parse_exact_json(request.response_fields, "response_fields");
  return fields ? std::move(*fields) : Json::object();
}

/// response.created, .in_progress; per item .output_item.added, its parts, .output_item.done;
/// response.completed, .incomplete or .failed. Every event has a type and the next number.
class ResponsesStream final : public AnswerStream {
 public:
  ResponsesStream(const ApiRequest& request, AnswerHead head)
      : style_(request),
        fields_(fields_of(request)),
        id_(head.new_id("resp_")),
        head_(std::move(head)) {}

  std::string begin(const Usage&) override {
    return in_order(
        {frame("response.created", {{"response", object({.status = "in_progress"})}}),
         frame("response.in_progress", {{"response", object({.status = "in_progress"})}})});
  }

  std::string event(const ChatEvent& event, const EventDetails& details) override {
    return std::visit([&](const auto& e) { return tell(e, details); }, event);
  }

  std::string end(const Answer& answer) override {
    const std::string_view status = response_status(answer);
    if (open_ == Item::text && !answer.choices.empty())
      add_logprobs(answer.choices.front().last_logprobs);
    // What is still open is where the answer was cut, if it was.
    std::string frames = close(status == "completed" ? "completed" : "incomplete");
    Json response = object({.status = status, .output = output_, .usage = &answer.usage});
    final_object_ = json_text(response);
    // OpenAI has no event of its own for cancelled ones; the response inside tells.
    const std::string_view type =
        status == "completed" ? "response.completed" : "response.incomplete";
    return frames + frame(type, {{"response", std::move(response)}});
  }

  std::string fail(const ApiError& error) override {
    Json response = object({.status = "failed", .output = output_, .error = &error});
    final_object_ = json_text(response);
    return frame("response.failed", {{"response", std::move(response)}});
  }

  /// OpenAI's server sends such events too. A comment would not do: some clients time events.
  std::string keep_alive() override { return frame("keepalive", Json::object()); }

  std::string_view id() const override { return id_; }
  std::string final_object() const override { return final_object_; }

 private:
  enum class Item : std::uint8_t { none, reasoning, text, call };

  Json object(ResponseState state) const {
    return response_object(id_, head_, fields_, std::move(state));
  }

  std::string frame(std::string_view type, Json fields) {
    Json json = {{"type", type}, {"sequence_number", sequence_number_++}};
    json.update(fields);
    return sse_event(type, json_text(json));
  }

  /// An event of the open item: `fields` behind its place.
  std::string item_frame(std::string_view type, Json fields) {
    Json json = {{"item_id", item_id_}, {"output_index", output_.size()}};
    json.update(fields);
    return frame(type, std::move(json));
  }

  std::string open(Item kind, std::string_view prefix) {
    std::string frames = close("completed");
    open_ = kind;
    item_id_ = head_.new_id(prefix);
    text_.clear();
    logprobs_.clear();
    return frames;
  }

  std::string added(Json item) {
    return frame("response.output_item.added",
                 {{"output_index", output_.size()}, {"item", std::move(item)}});
  }

  std::string done(Json item) {
    const std::size_t index = output_.size();
    output_.push_back(item);
    open_ = Item::none;
    return frame("response.output_item.done", {{"output_index", index}, {"item", std::move(item)}});
  }

  void add_logprobs(std::span<const TokenLogprob> logprobs) {
    if (style_.has_logprobs) logprobs_.insert(logprobs_.end(), logprobs.begin(), logprobs.end());
  }

  std::string part_frame(std::string_view type, Json part) {
    return item_frame(type, {{"content_index", 0}, {"part", std::move(part)}});
  }

  std::string close(std::string_view status) {
    switch (open_) {
      case Item::none:
        return {};
      case Item::reasoning:
        return close_reasoning(status);
      case Item::text:
        return in_order({item_frame("response.output_text.done",
                                    {{"content_index", 0},
                                     {"text", text_},
                                     {"logprobs", token_logprobs_json(logprobs_)}}),
                         part_frame("response.content_part.done", text_part(text_, logprobs_)),
                         done(text_item(style_, item_id_, status, text_, logprobs_))});
      case Item::call:
        return close_call(status);
    }
    return {};
  }

  std::string close_reasoning(std::string_view status) {
    if (style_.as_summary)
      return in_order({item_frame("response.reasoning_summary_text.done",
                                  {{"summary_index", 0}, {"text", text_}}),
                       item_frame("response.reasoning_summary_part.done",
                                  {{"summary_index", 0}, {"part", summary_part(text_)}}),
                       done(reasoning_item(style_, item_id_, status, text_))});
    return in_order(
        {item_frame("response.reasoning_text.done", {{"content_index", 0}, {"text", text_}}),
         part_frame("response.content_part.done", reasoning_part(text_)),
         done(reasoning_item(style_, item_id_, status, text_))});
  }

  std::string close_call(std::string_view status) {
    const bool is_custom = tool_.kind == ApiTool::Kind::custom;
    std::string frames = is_custom ? call_delta(input_.finish()) : std::string{};
    if (is_custom)
      frames += item_frame("response.custom_tool_call_input.done", {{"input", text_}});
    else
      frames += item_frame("response.function_call_arguments.done",
                           {{"name", tool_.wire_name}, {"arguments", text_}});
    return frames + done(call_item(tool_, item_id_, status, call_id_, text_));
  }

  std::string call_delta(const std::string& text) {
    if (text.empty()) return {};
    text_ += text;
    const bool is_custom = tool_.kind == ApiTool::Kind::custom;
    return item_frame(is_custom ? "response.custom_tool_call_input.delta"
                                : "response.function_call_arguments.delta",
                      {{"delta", text}});
  }

  std::string open_reasoning() {
    if (open_ == Item::reasoning) return {};
    return in_order(
        {open(Item::reasoning, "rs_"), added(reasoning_item(style_, item_id_, "in_progress", "")),
         style_.as_summary ? item_frame("response.reasoning_summary_part.added",
                                        {{"summary_index", 0}, {"part", summary_part("")}})
                           : part_frame("response.content_part.added", reasoning_part(""))});
  }

  std::string open_text() {
    if (open_ == Item::text) return {};
    return in_order({open(Item::text, "msg_"),
                     added(text_item(style_, item_id_, "in_progress", "", {})),
                     part_frame("response.content_part.added", text_part("", {}))});
  }

  std::string tell(const ReasoningDelta& e, const EventDetails&) {
    std::string frames = open_reasoning();
    text_ += e.text;
    frames += style_.as_summary ? item_frame("response.reasoning_summary_text.delta",
                                             {{"summary_index", 0}, {"delta", e.text}})
                                : item_frame("response.reasoning_text.delta",
                                             {{"content_index", 0}, {"delta", e.text}});
    return frames;
  }

  std::string tell(const ContentDelta& e, const EventDetails& details) {
    std::string frames = open_text();
    text_ += e.text;
    const auto logprobs = style_.has_logprobs ? details.logprobs : std::span<const TokenLogprob>{};
    add_logprobs(logprobs);
    frames += item_frame(
        "response.output_text.delta",
        {{"content_index", 0}, {"delta", e.text}, {"logprobs", token_logprobs_json(logprobs)}});
    return frames;
  }

  std::string tell(const ToolCallBegin& e, const EventDetails&) {
    std::string frames = close("completed");
    tool_ = tool_called(style_.tools, e.name);
    const bool is_custom = tool_.kind == ApiTool::Kind::custom;
    frames += open(Item::call, is_custom ? "ctc_" : "fc_");
    input_ = {};
    call_id_ = e.id;
    frames += added(call_item(tool_, item_id_, "in_progress", call_id_, ""));
    return frames;
  }

  std::string tell(const ToolCallArgumentsDelta& e, const EventDetails&) {
    if (open_ != Item::call) return {};
    return call_delta(tool_.kind == ApiTool::Kind::custom ? input_.feed(e.text) : e.text);
  }

  std::string tell(const ToolCallEnd&, const EventDetails&) { return close("completed"); }

  /// Clients run a call when its item is done, so this one never is, and the final output lacks it.
  std::string tell(const ToolCallDropped&, const EventDetails&) {
    if (open_ == Item::call) open_ = Item::none;
    return {};
  }

  ItemStyle style_;
  Json fields_;
  std::string id_;
  AnswerHead head_;
  std::size_t sequence_number_ = 0;
  Json output_ = Json::array();  ///< the items that are done
  std::string final_object_;

  Item open_ = Item::none;  ///< and what belongs to the open item:
  std::string item_id_;
  std::string text_;
  std::vector<TokenLogprob> logprobs_;
  ApiTool tool_;
  std::string call_id_;
  CustomToolInput input_;
};

}  // namespace

namespace {

/// The items of a choice; the last one has this status, which the stream gives to what is open at
/// the end: no call, as a cut one is left out, and nothing before a call.
Json output_items(const ItemStyle& style, const AnswerHead& head, const AnswerChoice& choice,
                  std::string_view last_status) {
  const Message& message = choice.message;
  const bool has_calls = choice.has_cut_call || !message.tool_calls.empty();
  const std::string_view text_status = has_calls ? "completed" : last_status;
  Json output = Json::array();
  if (!message.reasoning_content.empty())
    output.push_back(reasoning_item(style, head.new_id("rs_"),
                                    message.content.empty() ? text_status : "completed",
                                    message.reasoning_content));
  if (!message.content.empty())
    output.push_back(
        text_item(style, head.new_id("msg_"), text_status, message.content, choice.logprobs));
  for (const ToolCall& call : message.tool_calls) {
    const ApiTool tool = tool_called(style.tools, call.name);
    const bool is_custom = tool.kind == ApiTool::Kind::custom;
    output.push_back(call_item(tool, head.new_id(is_custom ? "ctc_" : "fc_"), "completed", call.id,
                               is_custom ? custom_tool_input(call.arguments) : call.arguments));
  }
  return output;
}

}  // namespace

std::string responses_answer_body(const ApiRequest& request, const AnswerHead& head,
                                  const Answer& answer) {
  const std::string id = head.new_id("resp_");
  const std::string_view status = response_status(answer);
  Json output = Json::array();
  if (!answer.choices.empty())
    output = output_items(ItemStyle(request), head, answer.choices.front(),
                          status == "completed" ? "completed" : "incomplete");
  return json_text(
      response_object(id, head, fields_of(request),
                      {.status = status, .output = std::move(output), .usage = &answer.usage}));
}

std::unique_ptr<AnswerStream> make_responses_stream(const ApiRequest& request, AnswerHead head) {
  return std::make_unique<ResponsesStream>(request, std::move(head));
}

}  // namespace hadal
