// tokenizer.json of Hugging Face `tokenizers`, read and written.
#include "formats/json_limits.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>
#include <utility>

namespace hadal {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
constexpr std::string_view kPad = "<｜▁pad▁｜>";

// A value with the way to it, for messages; null when absent.
struct Node {
  const Json* json;
  std::string path;

  Node at(const char* key) const {
    static const Json kNull;
    const std::string child = path.empty() ? key : fmt::format("{}.{}", path, key);
    if (!json->is_object() || !json->contains(key)) return {&kNull, child};
    return {&(*json)[key], child};
  }
  Node at(std::size_t index) const { return {&(*json)[index], fmt::format("{}[{}]", path, index)}; }
  bool is(std::string_view text) const {
    return json->is_string() && json->get_ref<const std::string&>() == text;
  }
  bool is_false_or_absent() const {
    return json->is_null() || (json->is_boolean() && !json->get<bool>());
  }
  bool is_empty_or_absent() const { return json->is_null() || is(""); }
};

std::string excerpt(const Json& json) {
  constexpr std::size_t kMaxShown = 120;
  if (json.is_structured() && json.size() > 16) {
    return fmt::format("{} of {} entries", json.type_name(), json.size());
  }
  std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

Error mismatch(ErrorCode code, std::string_view source, const Node& node,
               std::string_view expected) {
  return error(code, "{}: key '{}': expected {}, found {}", source, node.path, expected,
               excerpt(*node.json));
}

class TokenizerJsonReader {
 public:
  TokenizerJsonReader(const Json& root, std::string_view source)
      : root_{&root, ""}, source_(source) {}

  Result<VocabularyTables> read(std::size_t min_size) {
    if (!root_.json->is_object()) return malformed(root_, "an object with the keys of a tokenizer");
    HADAL_TRY(check_normalizer());
    HADAL_TRY(check_pre_tokenizer());
    HADAL_TRY(check_decoder());
    HADAL_TRY(read_model_options());
    HADAL_TRY(read_vocab());
    HADAL_TRY(read_added_tokens());
    HADAL_TRY(read_merges());
    HADAL_TRY(fill_unused(min_size));
    find_control_ids();
    HADAL_TRY(check_tables(tables_, source_));
    return std::move(tables_);
  }

 private:
  Error malformed(const Node& node, std::string_view expected) const {
    return mismatch(ErrorCode::bad_format, source_, node, expected);
  }
  Error unsupported(const Node& node, std::string_view expected) const {
    return mismatch(ErrorCode::unsupported, source_, node, expected);
  }

  Result<void> check_normalizer() const {
    const Node normalizer = root_.at("normalizer");
    if (normalizer.json->is_null()) return {};
    const Node list = normalizer.at("normalizers");  // the published files hold an empty sequence
    if (normalizer.at("type").is("Sequence") && list.json->is_array() && list.json->empty()) {
      return {};
    }
    return unsupported(normalizer, "null (no normalizer)");
  }

  Result<void> check_pre_tokenizer() const {
    const Node pre = root_.at("pre_tokenizer");
    const Node list = pre.at("pretokenizers");
    constexpr std::size_t kSplits = std::size(kDeepSeekSplits);
    if (!pre.at("type").is("Sequence") || !list.json->is_array() ||
        list.json->size() != kSplits + 1) {
      return unsupported(pre, "DeepSeek's pre-tokenizer (a Sequence of three Split and ByteLevel)");
    }
    for (std::size_t i = 0; i < kSplits; ++i) {
      HADAL_TRY(check_split(list.at(i), kDeepSeekSplits[i]));
    }
    return check_byte_level(list.at(kSplits));
  }

  // The published files write some line breaks as themselves instead of \r and \n.
  static std::string spell_line_breaks(std::string_view regex) {
    std::string spelled;
    for (char c : regex) {
      if (c == '\r') {
        spelled += "\\r";
      } else if (c == '\n') {
        spelled += "\\n";
      } else {
        spelled.push_back(c);
      }
    }
    return spelled;
  }

  Result<void> check_split(const Node& split, std::string_view regex) const {
    if (!split.at("type").is("Split")) return unsupported(split.at("type"), "\"Split\"");
    if (!split.at("behavior").is("Isolated")) {
      return unsupported(split.at("behavior"), "\"Isolated\"");
    }
    if (!split.at("invert").is_false_or_absent()) return unsupported(split.at("invert"), "false");
    const Node pattern = split.at("pattern").at("Regex");
    if (!pattern.json->is_string() ||
        spell_line_breaks(pattern.json->get_ref<const std::string&>()) != regex) {
      return unsupported(pattern, fmt::format("DeepSeek's {}", Json(std::string(regex)).dump()));
    }
    return {};
  }

  Result<void> check_byte_level(const Node& byte_level) const {
    if (!byte_level.at("type").is("ByteLevel")) {
      return unsupported(byte_level.at("type"), "\"ByteLevel\"");
    }
    for (const char* option : {"add_prefix_space", "use_regex"}) {
      const Node node = byte_level.at(option);
      if (!node.json->is_boolean() || node.json->get<bool>()) return unsupported(node, "false");
    }
    return {};
  }

  Result<void> check_decoder() const {
    const Node type = root_.at("decoder").at("type");
    if (!type.is("ByteLevel")) return unsupported(type, "\"ByteLevel\"");
    return {};
  }

  Result<void> read_model_options() {
    const Node model = root_.at("model");
    if (!model.at("type").is("BPE")) return unsupported(model.at("type"), "\"BPE\"");
    for (const char* option : {"dropout", "unk_token"}) {
      if (!model.at(option).json->is_null()) return unsupported(model.at(option), "null");
    }
    for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model.at(option).is_empty_or_absent()) return unsupported(model.at(option), "null");
    }
    const Node byte_fallback = model.at("byte_fallback");
    if (!byte_fallback.is_false_or_absent()) return unsupported(byte_fallback, "false");
    const Node ignore_merges = model.at("ignore_merges");
    tables_.ignore_merges = ignore_merges.json->is_boolean() && ignore_merges.json->get<bool>();
    if (!tables_.ignore_merges && !ignore_merges.is_false_or_absent())
      return unsupported(ignore_merges, "true or false");
    return {};
  }

  // Puts a token at its id; the id must be free.
  Result<void> place(const Node& node, const Json& id_json, const std::string& text,
                     TokenType type) {
    if (!id_json.is_number_unsigned() || id_json.get<std::uint64_t>() >= kMaxVocabulary) {
      return malformed(node, fmt::format("an id below {}", kMaxVocabulary));
    }
    const auto id = static_cast<std::size_t>(id_json.get<std::uint64_t>());
    if (id >= tables_.tokens.size()) {
      tables_.tokens.resize(id + 1);
      tables_.types.resize(id + 1, TokenType::unused);
    }
    if (tables_.types[id] != TokenType::unused) {
      return malformed(node, fmt::format("an id of its own; token {} has id {} already",
                                         excerpt(Json(tables_.tokens[id])), id));
    }
    tables_.tokens[id] = text;
    tables_.types[id] = type;
    return {};
  }

  Result<void> read_vocab() {
    const Node vocab = root_.at("model").at("vocab");
    if (!vocab.json->is_object()) return malformed(vocab, "an object from tokens to ids");
    for (const auto& [text, id] : vocab.json->items()) {
      const Node node{&id, fmt::format("{}[{}]", vocab.path, excerpt(Json(text)))};
      HADAL_TRY(place(node, id, text, TokenType::normal));
    }
    return {};
  }

  Result<void> read_added_tokens() {
    const Node list = root_.at("added_tokens");
    if (list.json->is_null()) return {};
    if (!list.json->is_array()) return malformed(list, "an array");
    for (std::size_t i = 0; i < list.json->size(); ++i) HADAL_TRY(read_added_token(list.at(i)));
    return {};
  }

  Result<void> read_added_token(const Node& node) {
    for (const char* option : {"single_word", "lstrip", "rstrip"}) {
      if (!node.at(option).is_false_or_absent()) return unsupported(node.at(option), "false");
    }
    const Node content = node.at("content");
    if (!content.json->is_string()) return malformed(content, "a text");
    const auto& text = content.json->get_ref<const std::string&>();
    const TokenType type =
        node.at("special").is_false_or_absent() ? TokenType::user_defined : TokenType::control;

    const Json& vocab = *root_.at("model").at("vocab").json;
    const auto same_text = vocab.find(text);
    if (same_text == vocab.end()) return place(node.at("id"), *node.at("id").json, text, type);
    if (*same_text != *node.at("id").json) {
      return malformed(node.at("id"), fmt::format("{} as in model.vocab", excerpt(*same_text)));
    }
    TokenType& stored = tables_.types[same_text->get<std::size_t>()];
    if (is_added(stored)) return malformed(content, "a text that is not in the list already");
    stored = type;
    return {};
  }

  Result<void> read_merges() {
    const Node merges = root_.at("model").at("merges");
    if (!merges.json->is_array()) return malformed(merges, "an array");
    if (merges.json->size() > kMaxMerges) {
      return unsupported(merges, fmt::format("at most {} entries", kMaxMerges));
    }
    tables_.merges.reserve(merges.json->size());
    for (std::size_t i = 0; i < merges.json->size(); ++i) HADAL_TRY(read_merge(merges.at(i)));
    return {};
  }

  Result<void> read_merge(const Node& merge) {
    const Json& json = *merge.json;
    if (json.is_string()) {
      tables_.merges.push_back(json.get<std::string>());
      return {};
    }
    if (!json.is_array() || json.size() != 2 || !json[0].is_string() || !json[1].is_string()) {
      return malformed(merge, R"("left right" or ["left", "right"])");
    }
    tables_.merges.push_back(fmt::format("{} {}", json[0].get_ref<const std::string&>(),
                                         json[1].get_ref<const std::string&>()));
    return {};
  }

  Result<void> fill_unused(std::size_t min_size) {
    if (min_size > kMaxVocabulary) {
      return error(ErrorCode::unsupported,
                   "{}: rows of the vocabulary: expected at most {}, found {}", source_,
                   kMaxVocabulary, min_size);
    }
    const std::size_t size = std::max(min_size, tables_.tokens.size());
    tables_.tokens.resize(size);
    tables_.types.resize(size, TokenType::unused);
    for (std::size_t id = 0; id < size; ++id) {
      if (tables_.types[id] == TokenType::unused) tables_.tokens[id] = unused_token_name(id);
    }
    return {};
  }

  void find_control_ids() {
    for (std::size_t id = 0; id < tables_.tokens.size(); ++id) {
      if (!is_added(tables_.types[id])) continue;
      const auto value = static_cast<std::int32_t>(id);
      if (tables_.tokens[id] == kBos) tables_.bos = value;
      if (tables_.tokens[id] == kEos) tables_.eos = value;
      if (tables_.tokens[id] == kPad) tables_.pad = value;
    }
  }

  Node root_;
  std::string_view source_;
  VocabularyTables tables_;
};

OrderedJson deepseek_pre_tokenizer() {
  OrderedJson list = OrderedJson::array();
  for (std::string_view regex : kDeepSeekSplits) {
    list.push_back({{"type", "Split"},
                    {"pattern", {{"Regex", regex}}},
                    {"behavior", "Isolated"},
                    {"invert", false}});
  }
  list.push_back({{"type", "ByteLevel"},
                  {"add_prefix_space", false},
                  {"trim_offsets", true},
                  {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(list)}};
}

OrderedJson added_tokens(const VocabularyTables& tables) {
  OrderedJson list = OrderedJson::array();
  for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
    if (!is_added(tables.types[id])) continue;
    list.push_back({{"id", id},
                    {"content", tables.tokens[id]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", tables.types[id] == TokenType::control}});
  }
  return list;
}

OrderedJson bpe_model(const VocabularyTables& tables) {
  OrderedJson vocab = OrderedJson::object();
  auto& entries = vocab.get_ref<OrderedJson::object_t&>();
  for (std::size_t id = 0; id < tables.tokens.size(); ++id) {
    // Not operator[]: it searches all entries.
    if (tables.types[id] != TokenType::unused) entries.emplace_back(tables.tokens[id], id);
  }
  OrderedJson merges = OrderedJson::array();
  for (const std::string& merge : tables.merges) merges.push_back(merge);

  OrderedJson model = {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", tables.ignore_merges}};
  model["vocab"] = std::move(vocab);
  model["merges"] = std::move(merges);
  return model;
}

}  // namespace

Result<VocabularyTables> vocabulary_from_tokenizer_json(std::string_view json_text,
                                                        std::string_view source,
                                                        std::size_t min_size) {
  HADAL_ASSIGN(const Json root, parse_json(json_text, source));
  return TokenizerJsonReader(root, source).read(min_size);
}

std::string tokenizer_json_from_vocabulary(const VocabularyTables& tables) {
  OrderedJson root = OrderedJson::object();
  root["version"] = "1.0";
  root["truncation"] = nullptr;
  root["padding"] = nullptr;
  root["added_tokens"] = added_tokens(tables);
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = deepseek_pre_tokenizer();
  root["post_processor"] = nullptr;
  root["decoder"] = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
  root["model"] = bpe_model(tables);
  return root.dump(-1, ' ', /*ensure_ascii=*/false) + "\n";
}

}  // namespace hadal
