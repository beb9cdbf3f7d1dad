#include "chat/prompt.h"

#include "chat/prompt_template.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hadal {

namespace {

/// The special tokens that may stand inside of a template text; whole tokens are added with
/// add_special.
constexpr std::array kTemplateTokens = {kThinkToken, kThinkEndToken, kDsmlToken};

/// The first special token in `text`: its place and its text; (npos, "") if there is none.
std::pair<std::size_t, std::string_view> first_special(std::string_view text) {
  std::pair<std::size_t, std::string_view> first{std::string_view::npos, {}};
  for (const std::string_view token : kTemplateTokens)
    if (const auto place = text.find(token); place < first.first) first = {place, token};
  return first;
}

}  // namespace

void Prompt::add_text(std::string_view text) {
  if (text.empty()) return;
  const bool goes_on =
      !segments_.empty() && !segments_.back().is_special && segments_.back().ids.empty();
  if (goes_on)
    segments_.back().text += text;
  else
    segments_.push_back({std::string(text), false});
}

void Prompt::add_special(std::string_view token) {
  segments_.push_back({std::string(token), true});
}

void Prompt::add_tokens(std::span<const std::int32_t> ids, std::string text) {
  if (!ids.empty()) segments_.push_back({std::move(text), false, {ids.begin(), ids.end()}});
}

void Prompt::add_template(std::string_view text) {
  while (true) {
    const auto [place, token] = first_special(text);
    add_text(text.substr(0, place));
    if (token.empty()) return;
    add_special(token);
    text.remove_prefix(place + token.size());
  }
}

void Prompt::add_events(std::string_view text) {
  constexpr std::string_view kOpen = "<|", kClose = "|>";
  while (true) {
    const std::size_t begin = text.find(kOpen);
    const std::size_t close = begin == text.npos ? text.npos : text.find(kClose, begin + 2);
    if (close == text.npos) return add_text(text);
    const std::size_t end = close + kClose.size();
    add_text(text.substr(0, begin));
    add_special(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::string Prompt::text() const {
  std::string joined;
  for (const PromptSegment& segment : segments_) joined += segment.text;
  return joined;
}

bool Prompt::opens_reasoning() const {
  return !segments_.empty() && segments_.back() == PromptSegment{std::string(kThinkToken), true};
}

std::vector<std::int32_t> Prompt::encode(const Tokenizer& tokenizer,
                                         std::vector<std::size_t>* turn_ends) const {
  std::vector<std::int32_t> ids;
  std::string plain;  // joins over special tokens that this tokenizer does not know
  const auto flush = [&] {
    const auto plain_ids = tokenizer.encode(plain, SpecialTokens::as_text);
    ids.insert(ids.end(), plain_ids.begin(), plain_ids.end());
    plain.clear();
  };
  for (const PromptSegment& segment : segments_) {
    if (!segment.ids.empty()) {
      flush();
      ids.insert(ids.end(), segment.ids.begin(), segment.ids.end());
      continue;
    }
    const auto id = segment.is_special ? tokenizer.find_special(segment.text) : std::nullopt;
    if (!id) {
      plain += segment.text;
      continue;
    }
    flush();
    const bool opens_turn = segment.text == kUserToken || segment.text == kAssistantToken;
    if (turn_ends != nullptr && opens_turn && !ids.empty() &&
        (turn_ends->empty() || turn_ends->back() < ids.size()))
      turn_ends->push_back(ids.size());
    ids.push_back(*id);
  }
  flush();
  return ids;
}

}  // namespace hadal
