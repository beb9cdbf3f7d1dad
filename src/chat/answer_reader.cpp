#include "chat/answer_reader.h"

#include "chat/prompt_template.h"

#include <utility>

namespace hadal {
namespace {

/// Without the special tokens in the vocabulary the model can only write the tags as text.
ControlText control_text(const Tokenizer& tokenizer) {
  const bool has_tags =
      tokenizer.find_special(kThinkEndToken) && tokenizer.find_special(kDsmlToken);
  return has_tags ? ControlText::special_tokens : ControlText::any_text;
}

void append(std::vector<ChatEvent>& events, std::vector<ChatEvent>&& more) {
  events.insert(events.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

}  // namespace

AnswerReader::AnswerReader(const Tokenizer& tokenizer, AnswerReaderOptions options)
    : tokenizer_(tokenizer),
      is_raw_(options.is_raw),
      in_reasoning_(!options.is_raw && options.start == AnswerStart::reasoning),
      think_end_(tokenizer.find_special(kThinkEndToken)),
      filter_(std::move(options.stop)),
      parser_({.start = options.start,
               .control = control_text(tokenizer),
               .id_prefix = std::move(options.call_id_prefix)}) {}

bool AnswerReader::take(std::int32_t token, std::vector<ChatEvent>& events) {
  const std::string_view bytes = tokenizer_.token_bytes(token);
  if (token == think_end_) in_reasoning_ = false;
  if (is_raw_ || !tokenizer_.is_special(token)) {
    show(filter_.feed(bytes), events);
    return !filter_.stopped();
  }
  show(filter_.finish(), events);
  text_ += bytes;
  append(events, parser_.feed_special(bytes));
  return !parser_.done();
}

void AnswerReader::show(const std::string& text, std::vector<ChatEvent>& events) {
  if (text.empty()) return;
  if (is_raw_) return show_raw(utf8_.push(text), events);
  text_ += text;
  append(events, parser_.feed(text));
}

/// Whole characters, which may be spread over several tokens.
void AnswerReader::show_raw(const std::string& text, std::vector<ChatEvent>& events) {
  if (text.empty()) return;
  text_ += text;
  events.push_back(ContentDelta{text});
}

ParsedCompletion AnswerReader::finish(GenerationEnd end) {
  std::vector<ChatEvent> events;
  show(filter_.finish(), events);
  show_raw(utf8_.flush(), events);
  ParsedCompletion parsed = parser_.finish(end);
  append(events, std::move(parsed.last_events));
  parsed.last_events = std::move(events);
  if (is_raw_) parsed.message = {.role = Role::assistant, .content = text_};
  return parsed;
}

}  // namespace hadal
