#include "tokenizer/tokenizer.h"

#include "base/check.h"
#include "formats/gguf.h"
#include "formats/quote.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_spelling.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hadal {
namespace {

constexpr std::int32_t kNoToken = -1;

// Turns the texts of merges into ids.
class MergeResolver {
 public:
  MergeResolver(const VocabularyTables& tables, const TokenIndex& index, std::string_view source)
      : tables_(tables), index_(index), source_(source) {}

  Result<std::vector<Merge>> resolve_all() const {
    std::vector<Merge> merges;
    merges.reserve(tables_.merges.size());
    for (std::size_t rank = 0; rank < tables_.merges.size(); ++rank) {
      HADAL_ASSIGN(const Merge merge, resolve(rank));
      merges.push_back(merge);
    }
    HADAL_TRY(check_unique(merges));
    return merges;
  }

 private:
  Result<Merge> resolve(std::size_t rank) const {
    const std::string& text = tables_.merges[rank];
    const std::size_t space = text.find(' ');
    const std::string left = text.substr(0, space);
    const std::string right = text.substr(space + 1);
    HADAL_ASSIGN(const std::int32_t left_id, require(rank, left));
    HADAL_ASSIGN(const std::int32_t right_id, require(rank, right));
    HADAL_ASSIGN(const std::int32_t merged_id, require(rank, left + right));
    return Merge{left_id, right_id, merged_id};
  }

  // Merges work on plain tokens only; otherwise text of a user could become a control token.
  Result<std::int32_t> require(std::size_t rank, const std::string& token) const {
    const std::optional<std::int32_t> id = index_.find(token);
    if (id && tables_.types[static_cast<std::size_t>(*id)] == TokenType::normal) return *id;
    return error(ErrorCode::bad_format,
                 "{}: merge {} ({}): expected normal tokens of the vocabulary, but {} is {}",
                 source_, rank, quote(tables_.merges[rank]), quote(token),
                 id ? "a special token" : "missing");
  }

  Result<void> check_unique(std::span<const Merge> merges) const {
    std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
    pairs.reserve(merges.size());
    for (const Merge& merge : merges) pairs.emplace_back(merge.left, merge.right);
    std::sort(pairs.begin(), pairs.end());
    const auto twice = std::adjacent_find(pairs.begin(), pairs.end());
    if (twice == pairs.end()) return {};
    return error(ErrorCode::bad_format,
                 "{}: merges: expected each pair once, found twice: {} and {}", source_,
                 quote(tables_.tokens[static_cast<std::size_t>(twice->first)]),
                 quote(tables_.tokens[static_cast<std::size_t>(twice->second)]));
  }

  const VocabularyTables& tables_;
  const TokenIndex& index_;
  std::string_view source_;
};

// The bytes that a token stands for.
std::string bytes_of(const std::string& token, TokenType type) {
  if (type == TokenType::unused) return {};
  if (is_added(type)) return token;
  // A normal token with other characters (no merge can build it) stands for its text, as in HF.
  return unspell_bytes(token).value_or(token);
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const VocabularyTables& tables, std::span<const Merge> merge_list, const TokenIndex& index)
      : merges(merge_list, tables.tokens.size()), ignore_merges(tables.ignore_merges) {
    std::vector<AddedTokens::Token> added_list;
    offsets.push_back(0);
    for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
      bytes += bytes_of(tables.tokens[id], tables.types[id]);
      offsets.push_back(bytes.size());
      special.push_back(is_added(tables.types[id]));
      if (special.back()) added_list.push_back({tables.tokens[id], static_cast<std::int32_t>(id)});
    }
    added = AddedTokens(std::move(added_list));
    for (std::size_t byte = 0; byte < byte_ids.size(); ++byte) {
      const char c = static_cast<char>(byte);
      const std::optional<std::int32_t> id = index.find(spell_bytes({&c, 1}));
      const bool usable = id && tables.types[static_cast<std::size_t>(*id)] == TokenType::normal;
      byte_ids[byte] = usable ? *id : kNoToken;
    }
    if (ignore_merges) sort_whole_tokens(tables);
  }

  /// Only tokens in the spelling of bytes: no piece is spelled otherwise.
  void sort_whole_tokens(const VocabularyTables& tables) {
    for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
      if (tables.types[id] == TokenType::normal && unspell_bytes(tables.tokens[id]))
        by_bytes.push_back(static_cast<std::int32_t>(id));
    }
    std::sort(by_bytes.begin(), by_bytes.end(),
              [this](std::int32_t a, std::int32_t b) { return text_of(a) < text_of(b); });
  }

  bool contains(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < special.size();
  }

  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
    constexpr std::size_t kMaxPiece = std::size_t{1} << 30;  // contract of append_bpe
    std::vector<std::string_view> pieces;
    pre_tokenize(text, pieces);
    BpeScratch scratch;
    for (std::string_view piece : pieces) {
      if (const auto whole = whole_token(piece)) {
        ids.push_back(*whole);
        continue;
      }
      for (; piece.size() > kMaxPiece; piece.remove_prefix(kMaxPiece)) {
        append_bpe(piece.substr(0, kMaxPiece), byte_ids, merges, scratch, ids);
      }
      append_bpe(piece, byte_ids, merges, scratch, ids);
    }
  }

  /// With ignore_merges, the normal token that is the whole piece. Hugging Face would also find a
  /// special one here ("<|:|>" is a piece); text must not become a control token.
  std::optional<std::int32_t> whole_token(std::string_view piece) const {
    if (!ignore_merges) return std::nullopt;
    const auto found = std::lower_bound(
        by_bytes.begin(), by_bytes.end(), piece,
        [this](std::int32_t id, std::string_view text) { return text_of(id) < text; });
    if (found == by_bytes.end() || text_of(*found) != piece) return std::nullopt;
    return *found;
  }

  std::string_view text_of(std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    return std::string_view(bytes).substr(offsets[at], offsets[at + 1] - offsets[at]);
  }

  void encode_parsing_specials(std::string_view text, std::vector<std::int32_t>& ids) const {
    std::size_t at = 0;
    while (const auto match = added.find_next(text, at)) {
      encode_plain(text.substr(at, match->begin - at), ids);
      ids.push_back(match->id);
      at = match->begin + match->size;
    }
    encode_plain(text.substr(at), ids);
  }

  std::string bytes;                 // of all tokens, one after the other
  std::vector<std::size_t> offsets;  // token id is bytes[offsets[id], offsets[id + 1])
  std::vector<bool> special;
  std::array<std::int32_t, 256> byte_ids{};
  MergeTable merges;
  AddedTokens added;
  bool ignore_merges;
  std::vector<std::int32_t> by_bytes;  // with ignore_merges: normal tokens, sorted by their bytes
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_vocabulary(const VocabularyTables& tables,
                                             std::string_view source) {
  HADAL_TRY(check_tables(tables, source));
  const TokenIndex index(tables);
  if (const auto twice = index.find_duplicate()) {
    return error(ErrorCode::bad_format,
                 "{}: tokens {} and {}: expected different texts, found {} twice", source,
                 twice->first, twice->second,
                 quote(tables.tokens[static_cast<std::size_t>(twice->first)]));
  }
  HADAL_ASSIGN(const std::vector<Merge> merges, MergeResolver(tables, index, source).resolve_all());
  return Tokenizer(std::make_unique<const Impl>(tables, merges, index));
}

Result<Tokenizer> Tokenizer::from_json(std::string_view json_text, std::string_view source) {
  HADAL_ASSIGN(const VocabularyTables tables, vocabulary_from_tokenizer_json(json_text, source));
  return from_vocabulary(tables, source);
}

Result<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  HADAL_ASSIGN(const VocabularyTables tables, vocabulary_from_gguf(file));
  return from_vocabulary(tables, file.source());
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, SpecialTokens specials) const {
  HADAL_CHECK(can_encode(), "this vocabulary lacks byte tokens; ask can_encode() first");
  std::vector<std::int32_t> ids;
  if (specials == SpecialTokens::parse) {
    impl_->encode_parsing_specials(text, ids);
  } else {
    impl_->encode_plain(text, ids);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) text += token_bytes(id);
  return text;
}

std::string_view Tokenizer::token_bytes(std::int32_t id) const {
  if (!impl_->contains(id)) return {};
  return impl_->text_of(id);
}

bool Tokenizer::is_special(std::int32_t id) const {
  return impl_->contains(id) && impl_->special[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::find_special(std::string_view text) const {
  return impl_->added.find_exact(text);
}

std::size_t Tokenizer::vocab_size() const {
  return impl_->special.size();
}

bool Tokenizer::can_encode() const {
  return std::find(impl_->byte_ids.begin(), impl_->byte_ids.end(), kNoToken) ==
         impl_->byte_ids.end();
}

}  // namespace hadal
