#include "grammar/token_vocabulary.h"

#include "grammar/config_sets.h"
#include "grammar/grammar_builder.h"
#include "grammar/json_text.h"

#include <algorithm>
#include <utility>

namespace hadal::grammar {
namespace {

bool can_be_utf8(std::string_view bytes) {
  return std::ranges::none_of(bytes, [](char c) {
    const auto byte = static_cast<std::uint8_t>(c);
    return byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
  });
}

// One character of a JSON string, then the end.
std::shared_ptr<const Grammar> string_char_grammar() {
  GrammarBuilder builder;
  const RuleId root = builder.add_rule("character");
  builder.define_rule(root, json_string_char(builder));
  auto grammar = std::move(builder).finish(root, "character of a JSON string");
  return std::make_shared<const Grammar>(std::move(grammar).value());
}

}  // namespace

Result<std::shared_ptr<const TokenVocabulary>> TokenVocabulary::create(TokenTexts texts) {
  const std::size_t n = texts.bytes.size();
  if (texts.is_special.size() != n) {
    return error(ErrorCode::invalid_argument,
                 "vocabulary of a grammar: expected {} flags for special tokens, found {}", n,
                 texts.is_special.size());
  }
  std::shared_ptr<TokenVocabulary> made(new TokenVocabulary());  // the constructor is private
  made->spelled_ = std::move(texts.bytes);
  made->end_ids_ = TokenMask(n);
  for (const std::int32_t id : texts.end_ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= n) {
      return error(ErrorCode::invalid_argument,
                   "vocabulary of a grammar: expected end ids below {}, found {}", n, id);
    }
    made->end_ids_.allow(static_cast<std::uint32_t>(id));
  }
  std::vector<TokenTrie::Entry> entries;
  for (std::size_t id = 0; id < n; ++id) {
    std::string& text = made->spelled_[id];
    if (text.size() > kMaxVocabTokenBytes) {
      return error(ErrorCode::invalid_argument,
                   "vocabulary of a grammar: token {} has {} bytes, expected at most {}", id,
                   text.size(), kMaxVocabTokenBytes);
    }
    if (text.empty()) continue;
    if (made->is_end(static_cast<std::int32_t>(id)) || !can_be_utf8(text)) {
      text.clear();
      continue;
    }
    if (texts.is_special[id]) {
      text.insert(text.begin(), static_cast<char>(kSpecialBegin));
      text += static_cast<char>(kSpecialEnd);
    }
    entries.push_back({text, static_cast<std::uint32_t>(id)});
  }
  made->trie_ = TokenTrie(std::move(entries));
  made->sort_by_string_use();
  return std::shared_ptr<const TokenVocabulary>(std::move(made));
}

void TokenVocabulary::sort_by_string_use() {
  ConfigSets sets(string_char_grammar());
  const SetId between = sets.start();
  struct Suffix {
    Closing closing;
    std::string_view text;
  };
  std::vector<std::pair<std::uint32_t, std::size_t>> inside;  // id, characters
  std::vector<Suffix> suffixes;
  for (std::size_t id = 0; id < spelled_.size(); ++id) {
    const std::string_view text = spelled_[id];
    std::size_t n_chars = 0;
    SetId at = between;
    for (std::size_t i = 0; i < text.size() && at != 0; ++i) {
      if (at == between && text[i] == '"') {
        if (n_chars > 0) {
          suffixes.push_back({{static_cast<std::int32_t>(id), static_cast<std::uint32_t>(n_chars)},
                              text.substr(i + 1)});
        }
        at = 0;
        break;
      }
      at = sets.step(at, static_cast<std::uint8_t>(text[i]));
      if (!sets.is_complete(at)) continue;
      ++n_chars;
      at = between;
    }
    if (text.empty() || at == 0) continue;
    inside.emplace_back(static_cast<std::uint32_t>(id), n_chars + (at == between ? 0 : 1));
    longest_inside_ = std::max(longest_inside_, inside.back().second);
  }

  inside_.assign(std::min(longest_inside_, kMaxCountedChars) + 2, TokenMask(spelled_.size()));
  for (const auto& [id, n_chars] : inside) {
    inside_.back().allow(id);
    if (n_chars < inside_.size() - 1) inside_[n_chars].allow(id);
  }
  for (std::size_t n = 1; n + 1 < inside_.size(); ++n) inside_[n].allow_all_of(inside_[n - 1]);

  const auto bare_end = std::stable_partition(suffixes.begin(), suffixes.end(),
                                              [](const Suffix& s) { return s.text.empty(); });
  n_bare_closings_ = static_cast<std::size_t>(bare_end - suffixes.begin());
  std::vector<TokenTrie::Entry> entries;
  for (const Suffix& suffix : suffixes) {
    if (!suffix.text.empty())
      entries.push_back({std::string(suffix.text), static_cast<std::uint32_t>(closings_.size())});
    closings_.push_back(suffix.closing);
  }
  behind_quote_ = TokenTrie(std::move(entries));
}

}  // namespace hadal::grammar
