#include "tokenizer/vocabulary.h"

#include "formats/gguf.h"
#include "tokenizer/unicode.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace hadal {
namespace {

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (!c.valid) return false;
    at += c.length;
  }
  return true;
}

Result<void> check_token(std::string_view token, std::size_t id, std::string_view source) {
  if (token.empty()) {
    return error(ErrorCode::bad_format, "{}: token {}: expected a text, found an empty one", source,
                 id);
  }
  if (token.size() > kMaxTokenBytes) {
    return error(ErrorCode::bad_format, "{}: token {}: expected at most {} bytes, found {}", source,
                 id, kMaxTokenBytes, token.size());
  }
  if (!is_valid_utf8(token)) {
    return error(ErrorCode::bad_format, "{}: token {}: expected UTF-8, found other bytes", source,
                 id);
  }
  return {};
}

Result<void> check_merge(std::string_view merge, std::size_t rank, std::string_view source) {
  const std::size_t space = merge.find(' ');
  const bool two_parts = space != std::string_view::npos && space > 0 && space + 1 < merge.size() &&
                         merge.find(' ', space + 1) == std::string_view::npos;
  if (two_parts && merge.size() <= 2 * kMaxTokenBytes && is_valid_utf8(merge)) return {};
  return error(
      ErrorCode::bad_format,
      "{}: merge {}: expected two UTF-8 texts with one space between, found {} bytes with {}",
      source, rank, merge.size(), space == std::string_view::npos ? "no space" : "another form");
}

constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string key(std::string_view name) {
  return fmt::format("{}{}", kPrefix, name);
}

Result<void> require_known(const GgufFile& file, std::string_view name,
                           std::span<const std::string_view> known) {
  HADAL_ASSIGN(const std::string_view found, file.require_string(key(name)));
  if (std::find(known.begin(), known.end(), found) != known.end()) return {};
  return error(ErrorCode::unsupported, "{}: key '{}': expected {}, found '{}'", file.source(),
               key(name), fmt::join(known, " or "), found.substr(0, 80));
}

Result<std::vector<TokenType>> read_types(const GgufFile& file, std::size_t n_tokens) {
  const auto stored = file.find_i32_array(key("token_type"));
  if (!stored || stored->size() != n_tokens) {
    return error(ErrorCode::bad_format, "{}: key '{}': expected {} integers, found {}",
                 file.source(), key("token_type"), n_tokens,
                 stored ? fmt::to_string(stored->size()) : "none");
  }
  std::vector<TokenType> types;
  types.reserve(n_tokens);
  for (const std::int32_t type : *stored) {
    if (type < 1 || type > 6) {
      return error(ErrorCode::bad_format, "{}: key '{}': expected values 1 to 6, found {}",
                   file.source(), key("token_type"), type);
    }
    types.push_back(static_cast<TokenType>(type));
  }
  return types;
}

Result<std::int32_t> read_id(const GgufFile& file, std::string_view name, std::size_t n_tokens) {
  if (file.find(key(name)) == nullptr) return -1;
  const std::optional<std::int64_t> id = file.find_i64(key(name));
  // Some writers store 2^32 - 1 for "none".
  if (id && (*id == -1 || *id == 0xFFFFFFFF)) return -1;
  if (id && *id >= 0 && static_cast<std::uint64_t>(*id) < n_tokens) {
    return static_cast<std::int32_t>(*id);
  }
  return error(ErrorCode::bad_format, "{}: key '{}': expected an id below {}, found {}",
               file.source(), key(name), n_tokens,
               id ? fmt::to_string(*id) : "another type of value");
}

Result<void> check_count(std::size_t count, std::size_t limit, std::string_view what,
                         std::string_view source) {
  if (count <= limit) return {};
  return error(ErrorCode::unsupported, "{}: {}: expected at most {}, found {}", source, what, limit,
               count);
}

}  // namespace

std::string unused_token_name(std::size_t id) {
  return fmt::format("[PAD{}]", id);
}

Result<void> check_tables(const VocabularyTables& tables, std::string_view source) {
  HADAL_TRY(check_count(tables.tokens.size(), kMaxVocabulary, "number of tokens", source));
  HADAL_TRY(check_count(tables.merges.size(), kMaxMerges, "number of merges", source));
  if (tables.types.size() != tables.tokens.size()) {
    return error(ErrorCode::bad_format, "{}: types of tokens: expected {}, found {}", source,
                 tables.tokens.size(), tables.types.size());
  }
  for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
    HADAL_TRY(check_token(tables.tokens[id], id, source));
  }
  for (std::size_t rank = 0; rank < tables.merges.size(); ++rank) {
    HADAL_TRY(check_merge(tables.merges[rank], rank, source));
  }
  return {};
}

Result<VocabularyTables> vocabulary_from_gguf(const GgufFile& file) {
  // joyai-llm and deepseek-v3 are the same three splits (deepseek-v4.md 9.1).
  static constexpr std::string_view kModels[] = {"gpt2"};
  static constexpr std::string_view kPreTokenizers[] = {"joyai-llm", "deepseek-v3"};
  HADAL_TRY(require_known(file, "model", kModels));
  HADAL_TRY(require_known(file, "pre", kPreTokenizers));
  HADAL_ASSIGN(const auto* tokens, file.require_string_array(key("tokens")));
  HADAL_ASSIGN(const auto* merges, file.require_string_array(key("merges")));
  HADAL_TRY(check_count(tokens->size(), kMaxVocabulary, key("tokens"), file.source()));
  HADAL_TRY(check_count(merges->size(), kMaxMerges, key("merges"), file.source()));

  VocabularyTables tables;
  HADAL_ASSIGN(tables.types, read_types(file, tokens->size()));
  HADAL_ASSIGN(tables.bos, read_id(file, "bos_token_id", tokens->size()));
  HADAL_ASSIGN(tables.eos, read_id(file, "eos_token_id", tokens->size()));
  HADAL_ASSIGN(tables.pad, read_id(file, "padding_token_id", tokens->size()));
  tables.ignore_merges = file.find_bool(kGgufIgnoreMerges).value_or(false);
  tables.tokens.assign(tokens->begin(), tokens->end());
  tables.merges.assign(merges->begin(), merges->end());
  for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
    if (tables.types[id] == TokenType::unused) tables.tokens[id] = unused_token_name(id);
  }
  HADAL_TRY(check_tables(tables, file.source()));
  return tables;
}

}  // namespace hadal
