#include "protocol/responses_items.h"

#include "protocol/opaque.h"
#include "protocol/openai_parts.h"

#include <utility>

namespace hadal {

namespace {

using Json = ResponseJson;

constexpr std::string_view kInProgress = "in_progress";

Json usage_details(const Usage& usage) {
  return {{"input_tokens", usage.n_prompt_tokens},
          {"input_tokens_details",
           {{"cached_tokens", usage.n_cached_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", usage.n_completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", usage.n_reasoning_tokens}}},
          {"total_tokens", usage.n_prompt_tokens + usage.n_completion_tokens}};
}

/// The codes that OpenAI's clients know.
std::string_view response_error_code(const ApiError& error) {
  switch (error.kind) {
    case ApiError::Kind::context_length_exceeded:
      return "context_length_exceeded";
    case ApiError::Kind::rate_limit:
      return "rate_limit_exceeded";
    case ApiError::Kind::invalid_request:
      return "invalid_prompt";
    default:
      return "server_error";
  }
}

Json error_json(const ApiError* error) {
  if (error == nullptr) return nullptr;
  return {{"code", response_error_code(*error)}, {"message", error->message}};
}

}  // namespace

Json text_part(std::string_view text, std::span<const TokenLogprob> logprobs) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", token_logprobs_json(logprobs)}};
}

Json reasoning_part(std::string_view text) {
  return {{"type", "reasoning_text"}, {"text", text}};
}

Json summary_part(std::string_view text) {
  return {{"type", "summary_text"}, {"text", text}};
}

Json reasoning_item(const ItemStyle& style, std::string_view id, std::string_view status,
                    std::string_view text) {
  Json item = {
      {"id", id}, {"type", "reasoning"}, {"summary", Json::array()}, {"content", Json::array()}};
  const bool is_done = status != kInProgress;
  if (is_done && style.as_summary) item["summary"].push_back(summary_part(text));
  if (is_done && !style.as_summary) item["content"].push_back(reasoning_part(text));
  if (style.encrypted)
    item["encrypted_content"] = is_done ? Json(sealed_reasoning(text)) : Json(nullptr);
  item["status"] = status;
  return item;
}

Json text_item(const ItemStyle& style, std::string_view id, std::string_view status,
               std::string_view text, std::span<const TokenLogprob> logprobs) {
  Json item = {{"id", id},
               {"type", "message"},
               {"status", status},
               {"role", "assistant"},
               {"content", Json::array()}};
  if (status != kInProgress)
    item["content"].push_back(
        text_part(text, style.has_logprobs ? logprobs : std::span<const TokenLogprob>{}));
  return item;
}

Json call_item(const ApiTool& tool, std::string_view id, std::string_view status,
               std::string_view call_id, std::string_view text) {
  const bool is_custom = tool.kind == ApiTool::Kind::custom;
  Json item = {{"id", id},
               {"type", is_custom ? "custom_tool_call" : "function_call"},
               {"status", status},
               {"call_id", call_id},
               {"name", tool.wire_name}};
  if (!tool.name_space.empty()) item["namespace"] = tool.name_space;
  item[is_custom ? "input" : "arguments"] = text;
  return item;
}

std::string_view response_status(const Answer& answer) {
  if (answer.is_cancelled) return "cancelled";
  const bool is_cut =
      !answer.choices.empty() && answer.choices.front().finish_reason == FinishReason::length;
  return is_cut ? "incomplete" : "completed";
}

Json response_object(std::string_view id, const AnswerHead& head, const Json& fields,
                     ResponseState state) {
  Json details;
  if (state.status == "incomplete") details = {{"reason", "max_output_tokens"}};
  Json response = {{"id", id},
                   {"object", "response"},
                   {"created_at", head.created_seconds},
                   {"status", state.status},
                   {"background", false},
                   {"error", error_json(state.error)},
                   {"incomplete_details", std::move(details)},
                   {"model", head.model},
                   {"output", std::move(state.output)},
                   {"usage", state.usage == nullptr ? Json() : usage_details(*state.usage)}};
  response.update(fields);
  return response;
}

}  // namespace hadal
