// Fuzzes the chat layer: JSON of clients -> conversation -> prompt, and generated text -> message,
// whole and in pieces.
#include "base/log.h"
#include "chat/message_json.h"
#include "chat/prompt_encoder.h"
#include "chat/python_json.h"
#include "chat/stream_parser.h"
#include "fuzz_target.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace hadal;

void check_prompt(std::string_view json) {
  const auto conversation = read_conversation(json, "fuzz");
  if (!conversation) return;
  for (const ThinkMode think : {ThinkMode::off, ThinkMode::high, ThinkMode::max}) {
    const auto prompt = encode_prompt(*conversation, {.think = think});
    fuzz::require(prompt.has_value(), "what was read can be rendered");
    bool was_plain = false;
    for (const PromptSegment& segment : prompt->segments()) {
      fuzz::require(segment.is_special || !was_plain, "plain stretches are joined");
      was_plain = !segment.is_special;
    }
  }
}

void check_json(std::string_view json) {
  const auto once = python_json_from_text(json, "fuzz");
  if (!once) return;
  const auto twice = python_json_from_text(*once, "fuzz");
  fuzz::require(twice.has_value() && *twice == *once, "Python's form is a fixed point");
}

struct Parsed {
  ParsedCompletion completion;
  std::string reasoning, content;
};

void collect(Parsed& parsed, const std::vector<ChatEvent>& events) {
  for (const ChatEvent& event : events) {
    if (const auto* e = std::get_if<ReasoningDelta>(&event)) parsed.reasoning += e->text;
    if (const auto* e = std::get_if<ContentDelta>(&event)) parsed.content += e->text;
  }
}

Parsed parse(std::string_view text, std::size_t piece, AnswerStart start, GenerationEnd end) {
  StreamParser parser({.start = start});
  Parsed parsed;
  for (std::size_t i = 0; i < text.size(); i += piece)
    collect(parsed, parser.feed(text.substr(i, piece)));
  parsed.completion = parser.finish(end);
  collect(parsed, parsed.completion.last_events);
  return parsed;
}

void check_stream(std::string_view text, std::size_t piece, AnswerStart start, GenerationEnd end) {
  const Parsed whole = parse(text, text.size() + 1, start, end);
  const Parsed split = parse(text, piece, start, end);
  fuzz::require(whole.completion.message == split.completion.message, "a split changes nothing");
  fuzz::require(whole.completion.finish_reason == split.completion.finish_reason, "nor the reason");
  fuzz::require(split.reasoning == whole.completion.message.reasoning_content, "deltas add up");
  fuzz::require(split.content == whole.completion.message.content, "deltas add up");
  fuzz::require(whole.content.find("｜DSML｜") == std::string::npos, "no tag reaches the content");
  for (const ToolCall& call : whole.completion.message.tool_calls)
    fuzz::require(parse_exact_json(call.arguments, "arguments").has_value(), "arguments are JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  set_log_level(LogLevel::error);
  const std::uint8_t mode = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (mode < 64) {
    check_json(text);
    check_prompt(text);
  } else {
    check_stream(text, std::size_t{1} + mode % 7,
                 mode & 1 ? AnswerStart::reasoning : AnswerStart::content,
                 mode & 2 ? GenerationEnd::limit : GenerationEnd::stop);
  }
  return 0;
}
