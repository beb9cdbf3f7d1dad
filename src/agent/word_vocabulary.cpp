#include "agent/word_vocabulary.h"

#include "tokenizer/byte_spelling.h"
#include "worlds/narrator.h"
#include "worlds/phrase.h"

#include <utility>

namespace hadal {
namespace {

/// As tools/train_tokenizer.py orders them.
constexpr std::string_view kControlAndChatTokens[] = {
    worlds::kBosToken, worlds::kEosToken, "<｜▁pad▁｜>", "<｜User｜>",           "<｜Assistant｜>",
    "<think>",         "</think>",        "｜DSML｜",    "<｜latest_reminder｜>"};

}  // namespace

VocabularyTables word_vocabulary(std::size_t nouns_per_type) {
  VocabularyTables tables;
  tables.ignore_merges = true;
  tables.bos = 0;
  tables.eos = 1;
  tables.pad = 2;
  const auto add = [&](std::string token, TokenType type) {
    tables.tokens.push_back(std::move(token));
    tables.types.push_back(type);
  };
  for (std::string_view token : kControlAndChatTokens) add(std::string(token), TokenType::control);
  for (std::string& token : worlds::structure_tokens()) add(std::move(token), TokenType::control);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    add(spell_bytes({&c, 1}), TokenType::normal);
  }
  for (const std::string& word : worlds::compact_words(nouns_per_type))
    add(spell_bytes(" " + word), TokenType::normal);
  return tables;
}

}  // namespace hadal
