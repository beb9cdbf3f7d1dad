#include "formats/gguf.h"
#include "fuzz_target.h"
#include "tokenizer/synthetic.h"
#include "tokenizer/tokenizer.h"

#include <string>

namespace {

using namespace hadal;

// What must hold for every tokenizer and every text.
void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const auto plain = tokenizer.encode(text, SpecialTokens::as_text);
  const auto parsed = tokenizer.encode(text, SpecialTokens::parse);
  fuzz::require(tokenizer.decode(plain) == text, "plain ids decode to the text");
  fuzz::require(tokenizer.decode(parsed) == text, "parsed ids decode to the text");
  for (const std::int32_t id : plain) {
    fuzz::require(!tokenizer.is_special(id), "text of users holds no control token");
  }
}

const Tokenizer& good_tokenizer() {
  static const Tokenizer tokenizer = [] {
    VocabularyTables tables = make_synthetic_vocabulary(256, -1, -1, -1);  // the bytes alone
    for (const char* merged : {"aa", "aaaa", "ab", "<t"}) tables.tokens.emplace_back(merged);
    tables.merges = {"a a", "aa aa", "a b", "< t"};
    tables.types.resize(tables.tokens.size(), TokenType::normal);
    for (const char* special : {"<think>", "<th", "｜DSML｜"}) {
      tables.tokens.emplace_back(special);
      tables.types.push_back(TokenType::control);
    }
    return std::move(Tokenizer::from_vocabulary(tables, "good")).value();
  }();
  return tokenizer;
}

Result<Tokenizer> open_gguf(std::string_view image) {
  HADAL_ASSIGN(const GgufFile file, GgufFile::parse(std::as_bytes(std::span(image)), "input"));
  return Tokenizer::from_gguf(file);
}

void check_file(const Result<Tokenizer>& tokenizer, std::string_view text) {
  if (!tokenizer) {
    fuzz::require(tokenizer.error().message.starts_with("input"), "an error names its source");
    return;
  }
  for (std::size_t id = 0; id < tokenizer->vocab_size(); ++id) {
    fuzz::touch(tokenizer->token_bytes(static_cast<std::int32_t>(id)));
  }
  if (tokenizer->can_encode()) check_text(*tokenizer, text);
}

}  // namespace

// The input is a tokenizer.json or a GGUF file, and, whatever it is, a text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_text(good_tokenizer(), text);

  check_file(text.starts_with("GGUF") ? open_gguf(text) : Tokenizer::from_json(text, "input"),
             text);
  return 0;
}
