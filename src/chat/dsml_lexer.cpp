#include "chat/dsml_lexer.h"

#include "chat/prompt_template.h"

#include <algorithm>
#include <array>

namespace hadal {

namespace {

constexpr std::size_t kMaxTagBytes = 1024;

/// The fixed beginning of a tag, and where in it the special token begins.
struct Introducer {
  std::string_view text;
  std::size_t token_offset;
};

constexpr std::array<Introducer, 6> kIntroducers = {{
    {kThinkToken, 0},
    {kThinkEndToken, 0},
    {kEosToken, 0},
    {kDsmlOpen, 1},
    {kDsmlClose, 2},
    {kDsmlToken, 0},
}};

TagKind close_kind(std::string_view word) {
  if (word == "tool_calls") return TagKind::tool_calls_close;
  if (word == "invoke") return TagKind::invoke_close;
  if (word == "parameter") return TagKind::parameter_close;
  return TagKind::unknown;
}

TagKind fixed_kind(std::string_view introducer) {
  if (introducer == kThinkToken) return TagKind::think;
  if (introducer == kThinkEndToken) return TagKind::think_end;
  if (introducer == kEosToken) return TagKind::end_of_text;
  return TagKind::unknown;
}

bool has_attributes(std::string_view introducer, std::string_view word) {
  return introducer == kDsmlOpen && (word == "invoke" || word == "parameter");
}

std::size_t word_length(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  return static_cast<std::size_t>(end - text.begin());
}

/// The part of `body` (all after the introducer) in which the tag must end: its line, up to the
/// next tag, bounded.
struct TagRegion {
  std::string_view text;
  bool closed;  ///< more input would not lengthen it
};

TagRegion tag_region(std::string_view body) {
  const std::size_t end =
      std::min({body.find('\n'), body.find(kDsmlOpen), body.find(kDsmlClose), kMaxTagBytes});
  return {body.substr(0, end), end <= body.size()};
}

/// Where the tag ends in `region`, past its bracket; npos if there is none (yet).
std::size_t tag_end(const TagRegion& region, bool attributes) {
  const auto quoted = attributes ? region.text.find("\">") : std::string_view::npos;
  if (quoted != std::string_view::npos) return quoted + 2;
  if (attributes && !region.closed) return std::string_view::npos;  // a quoted end may still come
  const auto plain = region.text.find('>');
  return plain == std::string_view::npos ? plain : plain + 1;
}

struct Attributes {
  std::optional<std::string_view> name;
  bool is_string = false;
};

/// NAME of `"NAME" ` or `NAME>`.
std::string_view unquoted(std::string_view text) {
  const auto last = text.find_last_not_of(" >");
  text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
  if (text.starts_with('"')) text.remove_prefix(1);
  if (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

/// Reads ` name="NAME" string="true"`; tolerates missing quotes and a missing `string`.
Attributes read_attributes(std::string_view text, bool may_have_string) {
  constexpr std::string_view kName = "name=";
  constexpr std::string_view kString = "string=";
  Attributes attributes;
  const auto name = text.find(kName);
  const auto string = may_have_string ? text.rfind(kString) : std::string_view::npos;
  if (string != std::string_view::npos)
    attributes.is_string = text.substr(string).find("true") != std::string_view::npos;
  if (name == std::string_view::npos) return attributes;
  const auto first = name + kName.size();
  const auto end = string != std::string_view::npos && string > first ? string : text.size();
  attributes.name = unquoted(text.substr(first, end - first));
  return attributes;
}

/// Kind and attributes of a tag with the DSML token: `<｜DSML｜WORD REST` or `</｜DSML｜WORD REST`.
void set_dsml_tag(Lexeme& lexeme, std::string_view word, std::string_view rest) {
  if (lexeme.introducer == kDsmlClose.size()) {
    lexeme.tag = close_kind(word);
  } else if (word == "tool_calls") {
    lexeme.tag = TagKind::tool_calls_open;
  } else if (word == "invoke" || word == "parameter") {
    const bool is_parameter = word == "parameter";
    const Attributes found = read_attributes(rest, is_parameter);
    if (!found.name || (found.name->empty() && !is_parameter)) return;
    lexeme.name = *found.name;
    lexeme.is_string = found.is_string;
    lexeme.tag = is_parameter ? TagKind::parameter_open : TagKind::invoke_open;
  }
}

/// At the end of the stream: is this the beginning of a control token that must not be shown as
/// text?
bool is_torn_control(std::string_view text) {
  constexpr std::string_view kBar = "｜";
  return text.starts_with('<') ? text.find(kBar) != std::string_view::npos
                               : text.size() > kBar.size() + 1;
}

}  // namespace

/// How the text at `place` compares with the introducers.
struct DsmlLexer::Match {
  enum Kind { none, partial, full } kind;
  std::size_t place;
  std::string_view introducer;
};

void DsmlLexer::append(std::string_view text, bool is_special) {
  if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  if (is_special) marks_.push_back(consumed_ + rest().size());
  buffer_ += text;
}

void DsmlLexer::consume(std::size_t n_bytes) {
  begin_ += n_bytes;
  consumed_ += n_bytes;
  while (!marks_.empty() && marks_.front() < consumed_) marks_.pop_front();
}

bool DsmlLexer::is_marked(std::size_t place) const {
  return control_ == ControlText::any_text ||
         std::binary_search(marks_.begin(), marks_.end(), consumed_ + place);
}

DsmlLexer::Match DsmlLexer::match_introducer(std::size_t place) const {
  Match best{Match::none, place, {}};
  const std::string_view text = rest().substr(place);
  for (const auto& [introducer, token_offset] : kIntroducers) {
    if (text.substr(0, introducer.size()) != introducer.substr(0, text.size())) continue;
    const bool reaches_token = text.size() > token_offset;
    if (reaches_token && !is_marked(place + token_offset)) continue;
    if (text.size() >= introducer.size()) return {Match::full, place, introducer};
    best.kind = Match::partial;
  }
  return best;
}

std::optional<Lexeme> DsmlLexer::peek(bool at_end) const {
  const std::string_view text = rest();
  if (text.empty()) return std::nullopt;
  std::size_t place = 0;
  for (;; ++place) {
    place = text.find_first_of("<\xEF", place);  // first bytes of the introducers
    if (place == std::string_view::npos) return Lexeme{.raw = text};
    const Match match = match_introducer(place);
    if (match.kind == Match::none) continue;
    if (place > 0) return Lexeme{.raw = text.substr(0, place)};
    if (match.kind == Match::full) return peek_tag(match, at_end);
    if (!at_end) return std::nullopt;
    if (is_torn_control(text)) return Lexeme{text, text.size(), TagKind::unknown};
  }
}

std::optional<Lexeme> DsmlLexer::peek_tag(const Match& match, bool at_end) const {
  const std::string_view text = rest();
  Lexeme lexeme{text.substr(0, match.introducer.size()), match.introducer.size(),
                fixed_kind(match.introducer)};
  if (match.introducer != kDsmlOpen && match.introducer != kDsmlClose) return lexeme;

  const TagRegion region = tag_region(text.substr(match.introducer.size()));
  const bool closed = region.closed || at_end;
  const std::size_t n_word = word_length(region.text);
  const std::string_view word = region.text.substr(0, n_word);
  if (n_word == region.text.size() && !closed) return std::nullopt;
  const bool attributes = has_attributes(match.introducer, word);
  const auto bracket = tag_end({region.text, closed}, attributes);
  if (bracket == std::string_view::npos && !closed) return std::nullopt;
  if (bracket == std::string_view::npos && !region.closed) {  // torn by the end of the stream
    lexeme.raw = text;
    return lexeme;
  }
  const std::size_t end = bracket == std::string_view::npos || n_word == 0 ? n_word : bracket;
  lexeme.raw = text.substr(0, match.introducer.size() + end);
  set_dsml_tag(lexeme, word, region.text.substr(n_word, end - n_word));
  return lexeme;
}

}  // namespace hadal
