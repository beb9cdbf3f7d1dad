// Answers with known events, and counted ids, for tests.
#pragma once

#include "protocol/answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace hadal {

inline NewId counted_ids() {
  return [n = std::make_shared<int>(0)](std::string_view prefix) {
    return fmt::format("{}{:04}", prefix, ++*n);
  };
}

inline AnswerHead test_head() {
  return {.model = "hadal-test", .created_seconds = 1700000000, .new_id = counted_ids()};
}

inline std::string golden_path(const std::string& name) {
  return HADAL_SOURCE_DIR "/tests/golden/protocol/" + name;
}

inline std::string read_golden(const std::string& name) {
  std::ifstream file(golden_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The names, without ".json", of the recorded requests.
inline std::vector<std::string> golden_requests() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_path("requests")))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline Result<ApiRequest> parse_named(const std::string& name, std::string_view body) {
  const ParseOptions options{.new_id = counted_ids()};
  if (name.starts_with("chat-")) return parse_chat_request(body, options);
  if (name.starts_with("completions-")) return parse_completions_request(body, options);
  if (name.starts_with("responses-")) return parse_responses_request(body, options);
  return parse_messages_request(body, options,
                                name.starts_with("count_tokens-") ? MessagesEndpoint::count_tokens
                                                                  : MessagesEndpoint::messages);
}

/// The recorded request; a failed check if it cannot be read.
inline ApiRequest golden_request(const std::string& name) {
  auto request = parse_named(name, read_golden("requests/" + name + ".json"));
  if (request) return std::move(*request);
  ADD_FAILURE() << name << ": " << request.error().message;
  return {};
}

/// The message that events say.
inline Message message_of(const std::vector<ChatEvent>& events) {
  Message message{.role = Role::assistant, .content = {}};
  std::vector<ToolCall> calls;
  std::vector<bool> is_whole;
  for (const ChatEvent& event : events) {
    if (const auto* e = std::get_if<ReasoningDelta>(&event)) message.reasoning_content += e->text;
    if (const auto* e = std::get_if<ContentDelta>(&event)) message.content += e->text;
    if (const auto* e = std::get_if<ToolCallBegin>(&event)) {
      calls.push_back({e->id, e->name, ""});
      is_whole.push_back(false);
    }
    if (const auto* e = std::get_if<ToolCallArgumentsDelta>(&event))
      calls.back().arguments += e->text;
    if (std::holds_alternative<ToolCallEnd>(event)) is_whole.back() = true;
  }
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (is_whole[i]) message.tool_calls.push_back(calls[i]);
  return message;
}

inline Answer answer_of(const std::vector<ChatEvent>& events, FinishReason reason) {
  Answer answer;
  AnswerChoice& choice = answer.choices.emplace_back();
  choice.message = message_of(events);
  choice.finish_reason = reason;
  choice.has_cut_call = std::any_of(events.begin(), events.end(), [](const ChatEvent& event) {
    return std::holds_alternative<ToolCallDropped>(event);
  });
  answer.usage = {.n_prompt_tokens = 20,
                  .n_cached_tokens = 12,
                  .n_completion_tokens = 9,
                  .n_reasoning_tokens = 4};
  return answer;
}

inline ApiError test_error(ApiError::Kind kind, std::string message, std::string field = {}) {
  ApiError error;
  error.kind = kind;
  error.message = std::move(message);
  error.field = std::move(field);
  return error;
}

inline std::string stream_of(const ApiRequest& request, const std::vector<ChatEvent>& events,
                             const Answer& answer) {
  const auto stream = make_answer_stream(request, test_head());
  std::string text = stream->begin({.n_prompt_tokens = 20, .n_cached_tokens = 12});
  for (const ChatEvent& event : events) text += stream->event(event);
  return text + stream->end(answer);
}

}  // namespace hadal
