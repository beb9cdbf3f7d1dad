#include "tokenizer/synthetic.h"

#include "tokenizer/byte_spelling.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace hadal {
namespace {

constexpr std::size_t kBytes = 256;
constexpr std::array<std::string_view, 5> kChatTokens = {"<｜User｜>", "<｜Assistant｜>", "<think>",
                                                         "</think>", "｜DSML｜"};

// Fills the free rows in ascending order.
class Filler {
 public:
  explicit Filler(VocabularyTables& tables) : tables_(tables) {}

  void add(std::string text, TokenType type) {
    while (next_ < tables_.tokens.size() && !tables_.tokens[next_].empty()) ++next_;
    if (next_ == tables_.tokens.size()) return;
    tables_.tokens[next_] = std::move(text);
    tables_.types[next_] = type;
  }

 private:
  VocabularyTables& tables_;
  std::size_t next_ = 0;
};

// 1 when the row was free and took the token.
std::size_t put_control(VocabularyTables& tables, std::int32_t id, std::string_view text) {
  const auto row = static_cast<std::size_t>(id);
  if (id < 0 || row >= tables.tokens.size() || !tables.tokens[row].empty()) return 0;
  tables.tokens[row] = text;
  tables.types[row] = TokenType::control;
  return 1;
}

}  // namespace

VocabularyTables make_synthetic_vocabulary(std::size_t vocab_size, std::int32_t bos,
                                           std::int32_t eos, std::int32_t pad) {
  VocabularyTables tables;
  tables.tokens.resize(vocab_size);
  tables.types.resize(vocab_size, TokenType::normal);
  tables.bos = bos;
  tables.eos = eos;
  tables.pad = pad;
  std::size_t taken = put_control(tables, bos, "<｜begin▁of▁sentence｜>");
  taken += put_control(tables, eos, "<｜end▁of▁sentence｜>");
  taken += put_control(tables, pad, "<｜▁pad▁｜>");

  if (vocab_size - taken >= kBytes) {
    Filler filler(tables);
    for (std::size_t byte = 0; byte < kBytes; ++byte) {
      const char c = static_cast<char>(byte);
      filler.add(spell_bytes({&c, 1}), TokenType::normal);
    }
    for (std::string_view text : kChatTokens) filler.add(std::string(text), TokenType::control);
  }
  for (std::size_t id = 0; id < vocab_size; ++id) {
    if (tables.tokens[id].empty()) tables.tokens[id] = fmt::format("<tok_{}>", id);
  }
  return tables;
}

std::string make_synthetic_tokenizer_json(std::size_t vocab_size, std::int32_t bos,
                                          std::int32_t eos, std::int32_t pad) {
  return tokenizer_json_from_vocabulary(make_synthetic_vocabulary(vocab_size, bos, eos, pad));
}

}  // namespace hadal
