// A vocabulary as plain tables, the common form of tokenizer.json and of the GGUF metadata
// tokenizer.ggml.*.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

class GgufFile;

/// Our own GGUF key for VocabularyTables::ignore_merges (bool; absent: false): other programs
/// derive it from tokenizer.ggml.pre, and no value of that means our splits with ignore_merges.
inline constexpr std::string_view kGgufIgnoreMerges = "hadal.tokenizer.ignore_merges";

/// Values of tokenizer.ggml.token_type (ggml-org/ggml, docs/gguf.md).
enum class TokenType : std::int32_t {
  normal = 1,
  unknown = 2,
  control = 3,       ///< added token, "special": true in tokenizer.json
  user_defined = 4,  ///< added token, "special": false
  unused = 5,        ///< a row of the embedding without a token
  byte = 6,
};

/// True for tokens that stand for their literal text (control and user_defined).
constexpr bool is_added(TokenType type) {
  return type == TokenType::control || type == TokenType::user_defined;
}

inline constexpr std::size_t kMaxVocabulary = std::size_t{1} << 21;
inline constexpr std::size_t kMaxMerges = std::size_t{1} << 22;
inline constexpr std::size_t kMaxTokenBytes = 4096;

/// Index = token id. Tables that a function below returns are within the limits above, of equal
/// lengths, valid UTF-8, and no token is empty; Tokenizer::from_vocabulary checks what the merges
/// refer to.
struct VocabularyTables {
  /// Normal tokens in GPT-2's spelling of bytes as characters ("Ġthe"), added tokens as their text;
  /// "[PAD<id>]" where the type is `unused`.
  std::vector<std::string> tokens;
  std::vector<TokenType> types;
  std::vector<std::string> merges;  ///< "left right" in GPT-2's spelling, by rank
  bool ignore_merges = false;       ///< a piece that is a whole normal token is that token, without
                                    ///< merges
  std::int32_t bos = -1;            ///< -1: unknown
  std::int32_t eos = -1;
  std::int32_t pad = -1;

  bool operator==(const VocabularyTables&) const = default;
};

/// From the text of a tokenizer.json. Demands what we can compute: model BPE without options but
/// ignore_merges, no normalizer, DeepSeek's pre-tokenizer, decoder ByteLevel (deepseek-v4.md
/// section 10). The tables get at least `min_size` rows (the rows of the embedding), `unused` where
/// no token is. bos, eos and pad are known by DeepSeek's names for them. Errors: bad_format or
/// unsupported, naming `source`, key, expected and found.
Result<VocabularyTables> vocabulary_from_tokenizer_json(std::string_view json_text,
                                                        std::string_view source,
                                                        std::size_t min_size = 0);

/// From tokenizer.ggml.{model,pre,tokens,token_type,merges,*_token_id}; model must be gpt2, pre one
/// of joyai-llm and deepseek-v3. Errors: not_found, bad_format or unsupported, naming file and key.
Result<VocabularyTables> vocabulary_from_gguf(const GgufFile& file);

/// The text of a tokenizer.json that vocabulary_from_tokenizer_json reads back to the same tables
/// (but for trailing `unused` rows and ids of bos, eos, pad under other names), and that Hugging
/// Face `tokenizers` reads.
std::string tokenizer_json_from_vocabulary(const VocabularyTables& tables);

/// "[PAD<id>]", the name of a row without a token.
std::string unused_token_name(std::size_t id);

/// Ok when the tables keep the promises above. Errors: bad_format or unsupported, naming `source`.
Result<void> check_tables(const VocabularyTables& tables, std::string_view source);

}  // namespace hadal
