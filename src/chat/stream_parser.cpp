#include "chat/stream_parser.h"

#include "base/log.h"
#include "chat/prompt_template.h"
#include "chat/python_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hadal {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string json_escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

/// How many newlines `text` ends with, at most `limit`.
std::size_t trailing_newlines(std::string_view text, std::size_t limit) {
  std::size_t n = 0;
  while (n < limit && n < text.size() && text[text.size() - 1 - n] == '\n') ++n;
  return n;
}

/// True if text that follows could complete the DSML token: a tag that is taken out between two
/// texts must not make a tag of them.
bool ends_inside_dsml_token(std::string_view text) {
  for (std::size_t n = kDsmlToken.size() - 1; n > 0; --n)
    if (text.ends_with(kDsmlToken.substr(0, n))) return true;
  return false;
}

/// Removes the beginning of a tag that was cut behind its first characters.
void remove_torn_bracket(std::string& text) {
  for (const std::string_view torn : {"</", "<"})
    if (text.ends_with(torn)) return text.resize(text.size() - torn.size());
}

/// Appends a delta, joined with the one before if that is of the same kind (and so of the same
/// call).
template <typename Delta>
void append_event(std::vector<ChatEvent>& events, Delta delta) {
  auto* last = events.empty() ? nullptr : std::get_if<Delta>(&events.back());
  if (last != nullptr)
    last->text += delta.text;
  else
    events.push_back(std::move(delta));
}

}  // namespace

StreamParser::StreamParser(StreamParserOptions options)
    : options_(std::move(options)), lexer_(options_.control) {
  message_.role = Role::assistant;
}

std::vector<ChatEvent> StreamParser::feed(std::string_view text) {
  append(utf8_.push(text), /*is_special=*/false);
  return std::exchange(events_, {});
}

std::vector<ChatEvent> StreamParser::feed_special(std::string_view token) {
  append(utf8_.flush(), /*is_special=*/false);
  append(token, /*is_special=*/true);
  return std::exchange(events_, {});
}

void StreamParser::append(std::string_view text, bool is_special) {
  if (text.empty() || state_ == State::ended) return;
  lexer_.append(text, is_special);
  run(/*at_end=*/false);
}

void StreamParser::run(bool at_end) {
  while (state_ != State::ended) {
    const auto lexeme = lexer_.peek(at_end);
    if (!lexeme) return;
    if (const std::size_t n_used = handle(*lexeme); n_used > 0) lexer_.consume(n_used);
  }
}

std::size_t StreamParser::handle(const Lexeme& lexeme) {
  if (lexeme.tag == TagKind::end_of_text && state_ != State::start) {
    end_stream();
    return lexeme.raw.size();
  }
  switch (state_) {
    case State::start:
      return handle_start(lexeme);
    case State::reasoning:
    case State::content:
      return handle_prose(lexeme);
    case State::block:
      return handle_block(lexeme);
    case State::invoke:
      return handle_invoke(lexeme);
    case State::value:
      return handle_value(lexeme);
    case State::after_block:
      return handle_after_block(lexeme);
    case State::ended:
      break;
  }
  return lexeme.raw.size();
}

/// The first think tag may repeat, or correct, what the prompt ended with.
std::size_t StreamParser::handle_start(const Lexeme& lexeme) {
  const bool reasoning = options_.start == AnswerStart::reasoning;
  const bool opens = lexeme.tag == TagKind::think;
  const bool closes = lexeme.tag == TagKind::think_end && !reasoning;
  state_ = prose_ = reasoning || opens ? State::reasoning : State::content;
  return opens || closes ? lexeme.raw.size() : 0;
}

std::size_t StreamParser::handle_prose(const Lexeme& lexeme) {
  if (!lexeme.tag) {
    add_prose(lexeme.raw);
    return lexeme.raw.size();
  }
  switch (*lexeme.tag) {
    case TagKind::tool_calls_open:
      open_block();
      return lexeme.raw.size();
    case TagKind::invoke_open:
      open_block();
      return 0;  // a block without its first tag
    case TagKind::think_end:
      if (state_ == State::reasoning) {
        release_newlines();
        state_ = prose_ = State::content;
        return lexeme.raw.size();
      }
      if (std::exchange(think_end_due_, false)) return skip_tag(lexeme);
      [[fallthrough]];
    case TagKind::think:
      add_prose(lexeme.raw);
      return lexeme.raw.size();
    default:
      return skip_tag(lexeme);
  }
}

std::size_t StreamParser::handle_block(const Lexeme& lexeme) {
  if (!lexeme.tag) {
    if (!block_has_call_) block_text_ += lexeme.raw;
    return lexeme.raw.size();
  }
  switch (*lexeme.tag) {
    case TagKind::invoke_open:
      begin_call(lexeme.name);
      return lexeme.raw.size();
    case TagKind::tool_calls_close:
      close_block();
      return lexeme.raw.size();
    case TagKind::think_end:
      if (block_has_call_) return skip_tag(lexeme);
      give_block_back();  // the tag was mentioned while reasoning
      return 0;
    default:
      return skip_tag(lexeme);
  }
}

std::size_t StreamParser::handle_invoke(const Lexeme& lexeme) {
  if (!lexeme.tag) return lexeme.raw.size();  // line breaks between the tags
  switch (*lexeme.tag) {
    case TagKind::parameter_open:
      begin_value(lexeme);
      return lexeme.raw.size();
    case TagKind::invoke_close:
      end_call();
      return lexeme.raw.size();
    case TagKind::invoke_open:
    case TagKind::tool_calls_close:
      count(Repair::close_tag_missing);
      end_call();
      return 0;
    default:
      return skip_tag(lexeme);
  }
}

std::size_t StreamParser::handle_value(const Lexeme& lexeme) {
  if (!lexeme.tag) {
    add_value(lexeme.raw);
    return lexeme.raw.size();
  }
  switch (*lexeme.tag) {
    case TagKind::parameter_close:
      end_value();
      return lexeme.raw.size();
    case TagKind::parameter_open:
    case TagKind::invoke_open:
    case TagKind::invoke_close:
    case TagKind::tool_calls_close:
      count(Repair::close_tag_missing);
      if (value_.ends_with('\n')) value_.pop_back();
      end_value();
      return 0;
    default:  // a value may speak of tags
      add_value(lexeme.raw.substr(0, lexeme.introducer));
      return lexeme.introducer;
  }
}

std::size_t StreamParser::handle_after_block(const Lexeme& lexeme) {
  if (lexeme.tag == TagKind::tool_calls_open || lexeme.tag == TagKind::invoke_open) {
    state_ = State::content;
    return 0;
  }
  if (lexeme.tag == TagKind::think_end) think_end_due_ = false;
  if (lexeme.tag) return skip_tag(lexeme);
  const auto first = lexeme.raw.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return lexeme.raw.size();
  state_ = State::content;
  if (!message_.content.empty()) add_prose("\n\n");
  return first;
}

std::size_t StreamParser::skip_tag(const Lexeme& lexeme) {
  count(Repair::unknown_tag);
  if (state_ == prose_) part_prose();
  if (state_ == State::block && ends_inside_dsml_token(block_text_)) block_text_ += ' ';
  return lexeme.raw.size();
}

/// Keeps the prose so far and what follows apart, where a tag stood between them.
void StreamParser::part_prose() {
  const bool reasoning = prose_ == State::reasoning;
  const std::string& so_far = reasoning ? message_.reasoning_content : message_.content;
  if (held_newlines_.empty() && ends_inside_dsml_token(so_far)) emit_prose(" ");
}

/// Passes prose on, but keeps the newlines at its end: they are not part of it if a block follows.
void StreamParser::add_prose(std::string_view text) {
  const std::string all = held_newlines_ + std::string(text);
  const std::size_t n_held = trailing_newlines(all, 2);
  held_newlines_ = all.substr(all.size() - n_held);
  emit_prose(std::string_view(all).substr(0, all.size() - n_held));
}

void StreamParser::release_newlines() {
  emit_prose(std::exchange(held_newlines_, {}));
}

void StreamParser::open_block() {
  block_text_.clear();
  block_has_call_ = false;
  state_ = State::block;
}

void StreamParser::close_block() {
  if (!block_has_call_) return give_block_back();
  state_ = State::after_block;
}

/// A block without calls was none: its text goes where it stood.
void StreamParser::give_block_back() {
  count(Repair::empty_block);
  state_ = prose_;
  if (trimmed(block_text_).empty()) {
    held_newlines_.clear();
  } else {
    part_prose();
    add_prose(std::exchange(block_text_, {}));
  }
  part_prose();
}

void StreamParser::begin_call(std::string_view name) {
  if (!block_has_call_) {
    if (held_newlines_.size() < 2) count(Repair::separator_short);
    if (prose_ == State::reasoning) {
      count(Repair::think_end_missing);
      think_end_due_ = true;
      prose_ = State::content;
    }
    held_newlines_.clear();
    block_text_.clear();
    block_has_call_ = true;
  }
  call_ = {options_.id_prefix + std::to_string(n_calls_), std::string(name), {}};
  events_.push_back(ToolCallBegin{n_calls_, call_.id, call_.name});
  ++n_calls_;
  parameters_.clear();
  state_ = State::invoke;
}

void StreamParser::end_call() {
  emit_arguments(call_.arguments.empty() ? "{}" : "}");
  events_.push_back(ToolCallEnd{n_calls_ - 1});
  message_.tool_calls.push_back(std::move(call_));
  state_ = State::block;
}

void StreamParser::drop_call() {
  count(Repair::call_cut);
  events_.emplace_back(ToolCallDropped{n_calls_ - 1});
}

void StreamParser::begin_value(const Lexeme& lexeme) {
  state_ = State::value;
  value_.clear();
  value_is_string_ = lexeme.is_string;
  value_is_skipped_ = !parameters_.emplace(lexeme.name).second;
  if (value_is_skipped_) {
    count(Repair::duplicate_parameter);
    log_warning("chat", "tool call {}: parameter '{}' comes twice; the first value is kept",
                call_.name, lexeme.name);
    return;
  }
  const std::string_view separator = call_.arguments.empty() ? "{" : ", ";
  emit_arguments(fmt::format("{}\"{}\": {}", separator, json_escaped(lexeme.name),
                             value_is_string_ ? "\"" : ""));
}

/// Strings are passed on at once, but for a newline at the end, which goes if the closing tag is
/// missing.
void StreamParser::add_value(std::string_view text) {
  if (value_is_skipped_) return;
  value_ += text;
  if (!value_is_string_) return;
  const std::size_t n_ready = value_.size() - trailing_newlines(value_, 1);
  emit_arguments(json_escaped(std::string_view(value_).substr(0, n_ready)));
  value_.erase(0, n_ready);
}

void StreamParser::end_value() {
  state_ = State::invoke;
  if (value_is_skipped_) return;
  if (value_is_string_) return emit_arguments(json_escaped(value_) + '"');
  const std::string_view json = trimmed(value_);
  if (is_json(json, kMaxJsonDepth - 1)) return emit_arguments(json);
  count(Repair::invalid_json);
  emit_arguments(fmt::format("\"{}\"", json_escaped(value_)));
}

/// EOS, or the end of the stream after everything in it was handled.
void StreamParser::end_stream() {
  if (state_ == State::invoke) end_call();  // only the closing tags are missing
  if (state_ == State::value) drop_call();
  if (state_ == State::block && !block_has_call_) give_block_back();
  release_newlines();
  state_ = State::ended;
}

ParsedCompletion StreamParser::finish(GenerationEnd end) {
  run(/*at_end=*/true);  // a character that was cut is not shown
  const bool cut = end == GenerationEnd::limit && !done();
  if (cut && (state_ == State::invoke || state_ == State::value)) {
    drop_call();
    state_ = State::block;
  }
  if (cut && state_ == State::block) remove_torn_bracket(block_text_);
  end_stream();
  FinishReason reason = message_.tool_calls.empty() ? FinishReason::stop : FinishReason::tool_calls;
  if (cut) reason = FinishReason::length;
  return {std::move(message_), reason, std::exchange(events_, {}), repairs_};
}

void StreamParser::emit_prose(std::string_view text) {
  if (text.empty()) return;
  if (prose_ == State::reasoning) {
    message_.reasoning_content += text;
    append_event(events_, ReasoningDelta{std::string(text)});
  } else {
    message_.content += text;
    append_event(events_, ContentDelta{std::string(text)});
  }
}

void StreamParser::emit_arguments(std::string_view text) {
  if (text.empty()) return;
  call_.arguments += text;
  append_event(events_, ToolCallArgumentsDelta{n_calls_ - 1, std::string(text)});
}

}  // namespace hadal
