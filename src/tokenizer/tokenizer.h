// Byte-level BPE with DeepSeek's pre-tokenizer (deepseek-v4.md section 10). Text <-> token ids.
#pragma once

#include "base/result.h"
#include "tokenizer/vocabulary.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// What to do with strings such as "<think>" inside the text.
///
/// "Special" tokens are all added tokens of tokenizer.json, whatever its flag `special` says:
/// DeepSeek's files flag `<｜User｜>` and `<think>` as not special. Hugging Face `tokenizers`
/// encodes like `parse`; its result for a file whose list of added tokens is empty is `as_text`.
/// Where the texts of added tokens overlap, the leftmost match wins, then the longest.
enum class SpecialTokens : std::uint8_t {
  as_text,  ///< text of users: encoded like any other text, never as a control token
  parse,    ///< text of our own templates: mapped to the ids of the special tokens
};

/// Immutable after construction; threads may share it. Encoding costs O(n log n) in the length of a
/// piece.
class Tokenizer {
 public:
  /// From the text of a tokenizer.json. Errors: bad_format or unsupported, naming `source`, key,
  /// expected, found.
  static Result<Tokenizer> from_json(std::string_view json_text, std::string_view source);
  /// From plain tables (tokenizer/vocabulary.h). Errors: bad_format naming `source` and the token
  /// or merge.
  static Result<Tokenizer> from_vocabulary(const VocabularyTables& tables, std::string_view source);
  /// From the metadata tokenizer.ggml.* of a GGUF file.
  static Result<Tokenizer> from_gguf(const GgufFile& file);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Adds no BOS. A byte outside of well-formed UTF-8 becomes its byte token. Needs can_encode().
  std::vector<std::int32_t> encode(std::string_view text, SpecialTokens specials) const;
  /// The bytes of the tokens, specials by their text. Ids outside of the vocabulary give nothing.
  std::string decode(std::span<const std::int32_t> ids) const;
  /// The bytes of one token (text of a special token).
  std::string_view token_bytes(std::int32_t id) const;
  bool is_special(std::int32_t id) const;
  /// Id of a special (added) token by its exact text.
  std::optional<std::int32_t> find_special(std::string_view text) const;

  std::size_t vocab_size() const;
  /// False when the vocabulary lacks some of the 256 byte tokens (tiny test models): `encode` is
  /// then not available.
  bool can_encode() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace hadal
