#include "grammar/schema_document.h"

#include "formats/quote.h"
#include "grammar/grammar.h"
#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

namespace hadal::grammar {
namespace {

constexpr std::array<std::string_view, 17> kRefusedKeywords = {
    "not",
    "if",
    "contains",
    "uniqueItems",
    "patternProperties",
    "propertyNames",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "$dynamicRef",
    "$recursiveRef",
    "divisibleBy",
    "disallow",
    "extends",
};

constexpr std::array<std::string_view, 5> kKnownDrafts = {"draft/2020-12/schema",
                                                          "draft/2019-09/schema", "draft-07/schema",
                                                          "draft-06/schema", "draft-04/schema"};

bool changes_nothing(std::string_view keyword, const Schema& schema) {
  const Schema& value = schema.at(std::string(keyword));
  if (keyword == "uniqueItems") return value == false;
  if (keyword == "if") return !schema.contains("then") && !schema.contains("else");
  if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems")
    return value == true || (value.is_object() && value.empty());
  if (keyword == "patternProperties" || keyword == "dependentSchemas" ||
      keyword == "dependentRequired" || keyword == "dependencies")
    return value.is_object() && value.empty();
  if (keyword == "propertyNames") return value == true || (value.is_object() && value.empty());
  if (keyword == "not") return value == false;
  if (keyword == "additionalItems")
    return true;  // 2020-12 does not know it; items as list: refused
  return false;
}

bool says_something(const Schema& schema) {
  for (const auto& [keyword, value] : schema.items())
    if (keyword != "$ref" && keyword != "allOf" && !is_annotation(keyword)) return true;
  return false;
}

std::string escape_pointer(std::string_view key) {
  std::string step;
  for (const char c : key) step += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return step;
}

// %25 -> %, then ~1 -> / and ~0 -> ~.
std::optional<std::string> unescape_pointer(std::string_view step) {
  std::string bytes;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] != '%') {
      bytes += step[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= step.size()) return std::nullopt;
    const char* const first = step.data() + i + 1;
    if (std::from_chars(first, first + 2, value, 16).ptr != first + 2) return std::nullopt;
    bytes += static_cast<char>(value);
    i += 2;
  }
  std::string key;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '~' && i + 1 < bytes.size() && (bytes[i + 1] == '0' || bytes[i + 1] == '1')) {
      key += bytes[++i] == '0' ? '~' : '/';
    } else {
      key += bytes[i];
    }
  }
  return key;
}

}  // namespace

std::string SchemaDocument::place_of(const Schema* schema) const {
  const auto known = places_.find(schema);
  return source_ + ": #" + (known == places_.end() ? "" : printable(known->second, 200));
}

Error SchemaDocument::refuse(const Schema* schema, std::string_view keyword, std::string_view why) {
  return error(ErrorCode::unsupported, "{}: '{}' {}", place_of(schema), keyword, why);
}

Error SchemaDocument::wrong(const Schema* schema, std::string_view keyword,
                            std::string_view expected) {
  return error(ErrorCode::bad_format, "{}: '{}': expected {}", place_of(schema), keyword, expected);
}

Result<void> SchemaDocument::spend(std::size_t amount) {
  work_ += amount;
  if (work_ <= kMaxSchemaWork) return {};
  return error(
      ErrorCode::unsupported,
      "{}: too complex: more than {} subschemas to look at (allOf, anyOf and $ref multiply "
      "them)",
      source_, kMaxSchemaWork);
}

const Schema* SchemaDocument::child(const Schema* parent, std::string_view keyword) {
  const Schema* value = &*parent->find(keyword);
  places_.try_emplace(value, places_[parent] + "/" + std::string(keyword));
  return value;
}

void SchemaDocument::name_place(const Schema* schema, const Schema* parent,
                                std::string_view keyword, std::string_view member) {
  places_.try_emplace(schema,
                      places_[parent] + fmt::format("/{}/{}", keyword, escape_pointer(member)));
}

const Schema* SchemaDocument::child(const Schema* parent, std::string_view keyword,
                                    std::size_t index) {
  const Schema* value = &parent->at(std::string(keyword)).at(index);
  places_.try_emplace(value, places_[parent] + fmt::format("/{}/{}", keyword, index));
  return value;
}

Result<void> SchemaDocument::check_keywords(const Schema* schema) {
  for (const std::string_view keyword : kRefusedKeywords) {
    if (!schema->contains(keyword) || changes_nothing(keyword, *schema)) continue;
    return refuse(schema, keyword, "cannot be enforced while the text is generated");
  }
  if (schema->contains("$id") && schema != &root_)
    return refuse(schema, "$id", "inside of the document is not supported");
  if (const auto draft = schema->find("$schema"); draft != schema->end()) {
    const bool is_known =
        draft->is_string() && std::ranges::any_of(kKnownDrafts, [&](auto name) {
          return draft->get_ref<const std::string&>().find(name) != std::string::npos;
        });
    if (!is_known) return refuse(schema, "$schema", "names a dialect that we do not know");
  }
  return {};
}

Result<const Schema*> SchemaDocument::resolve(const Schema* schema, const std::string& reference) {
  const auto known = resolved_.find(reference);
  if (known != resolved_.end()) return known->second;
  if (reference.empty() || reference[0] != '#' || (reference.size() > 1 && reference[1] != '/')) {
    return refuse(schema, "$ref",
                  fmt::format("to {} leaves the document or names an anchor; only JSON pointers "
                              "such as #/$defs/name are followed",
                              quote(reference)));
  }
  const Schema* at = &root_;
  std::string_view rest = std::string_view(reference).substr(1);
  std::string place;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    const auto key = unescape_pointer(rest.substr(1, end - 1));
    rest.remove_prefix(end);
    const Schema* next = nullptr;
    if (key && at->is_object()) {
      const auto member = at->find(*key);
      if (member != at->end()) next = &*member;
    } else if (key && at->is_array()) {
      std::size_t index = 0;
      const auto parsed = std::from_chars(key->data(), key->data() + key->size(), index);
      if (parsed.ec == std::errc() && index < at->size()) next = &(*at)[index];
    }
    if (next == nullptr) {
      return error(ErrorCode::bad_format, "{}: '$ref' to {}: nothing stands there",
                   place_of(schema), quote(reference));
    }
    // A schema with its own $id is the root of its references.
    if (next->is_object() && next->contains("$id") && next->at("$id").is_string())
      return refuse(schema, "$id", "on the way of a $ref is not supported");
    at = next;
    place += '/';
    place += escape_pointer(*key);
  }
  places_.try_emplace(at, place);
  resolved_.emplace(reference, at);
  return at;
}

Result<Conjunction> SchemaDocument::conjunction_of(const std::vector<const Schema*>& schemas) {
  Conjunction all;
  for (const Schema* schema : schemas) {
    HADAL_ASSIGN(all, extend(std::move(all), *schema));
  }
  return all;
}

Result<Conjunction> SchemaDocument::extend(Conjunction base, const Schema& branch) {
  // Depth first, without recursion; `open` are the schemas on the way from the branch to here.
  struct Step {
    const Schema* schema;
    bool leaves;
  };
  std::vector<Step> todo = {{&branch, false}};
  std::set<const Schema*> open, done;
  for (const Conjunct& conjunct : base.schemas) done.insert(conjunct.schema);
  while (!todo.empty()) {
    const Step step = todo.back();
    todo.pop_back();
    if (step.leaves) {
      open.erase(step.schema);
      continue;
    }
    HADAL_TRY(spend(1));
    if (open.contains(step.schema)) {
      return refuse(step.schema, "$ref",
                    "or allOf leads back to this schema without anything in between");
    }
    if (step.schema->is_boolean()) {
      base.is_never |= !step.schema->get<bool>();
      continue;
    }
    if (!step.schema->is_object()) {
      return error(ErrorCode::bad_format, "{}: expected a schema (object or boolean), found {}",
                   place_of(step.schema), step.schema->type_name());
    }
    if (!done.insert(step.schema).second) continue;
    HADAL_TRY(check_keywords(step.schema));
    if (says_something(*step.schema)) base.schemas.push_back({step.schema});
    if (base.schemas.size() > kMaxSchemaConjuncts) {
      return refuse(step.schema, "allOf",
                    fmt::format("and $ref ask one value to satisfy more than {} schemas",
                                kMaxSchemaConjuncts));
    }
    open.insert(step.schema);
    todo.push_back({step.schema, true});
    if (const auto reference = step.schema->find("$ref"); reference != step.schema->end()) {
      if (!reference->is_string()) return wrong(step.schema, "$ref", "a string");
      HADAL_ASSIGN(const Schema* target, resolve(step.schema, reference->get<std::string>()));
      todo.push_back({target, false});
    }
    if (const auto all_of = step.schema->find("allOf"); all_of != step.schema->end()) {
      if (!all_of->is_array()) return wrong(step.schema, "allOf", "an array of schemas");
      for (std::size_t i = 0; i < all_of->size(); ++i)
        todo.push_back({child(step.schema, "allOf", i), false});
    }
  }
  std::sort(base.schemas.begin(), base.schemas.end());
  return base;
}

bool is_annotation(std::string_view keyword) {
  constexpr std::string_view kAnnotations[] = {"title",
                                               "description",
                                               "default",
                                               "examples",
                                               "example",
                                               "deprecated",
                                               "readOnly",
                                               "writeOnly",
                                               "$comment",
                                               "$schema",
                                               "$id",
                                               "$anchor",
                                               "$defs",
                                               "definitions",
                                               "$vocabulary",
                                               "contentEncoding",
                                               "contentMediaType",
                                               "contentSchema",
                                               "discriminator",
                                               "strict"};
  return std::ranges::find(kAnnotations, keyword) != std::end(kAnnotations);
}

Result<std::uint32_t> count_keyword(SchemaDocument& document, const Schema* schema,
                                    std::string_view keyword, std::uint32_t fallback) {
  const auto value = schema->find(keyword);
  if (value == schema->end()) return fallback;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!(number >= 0) || number != std::floor(number))
    return document.wrong(schema, keyword, "a whole number >= 0");
  return static_cast<std::uint32_t>(std::min(number, double{kUnbounded - 1}));
}

Result<std::uint8_t> types_of(SchemaDocument& document, const Conjunction& conjunction) {
  constexpr std::pair<std::string_view, int> kNames[] = {
      {"null", kNull},    {"boolean", kBoolean}, {"object", kObject},
      {"array", kArray},  {"integer", kInteger}, {"number", kFraction | kInteger},
      {"string", kString}};
  int types = kAllTypes;
  for (const Conjunct& conjunct : conjunction.schemas) {
    const auto type = conjunct.schema->find("type");
    if (type == conjunct.schema->end()) continue;
    int allowed = 0;
    const auto add = [&](const Schema& name) {
      for (const auto& [known, bits] : kNames) {
        if (!name.is_string() || name.get_ref<const std::string&>() != known) continue;
        allowed |= bits;
        return true;
      }
      return false;
    };
    bool is_right = type->is_array() ? !type->empty() : add(*type);
    if (type->is_array())
      for (const Schema& name : *type) is_right &= add(name);
    if (!is_right) {
      return document.wrong(conjunct.schema, "type",
                            "null, boolean, object, array, number, integer, string or an array of "
                            "them");
    }
    types &= allowed;
  }
  return static_cast<std::uint8_t>(types);
}

TypeBits type_of_value(const Schema& value) {
  switch (value.type()) {
    case Schema::value_t::null:
      return kNull;
    case Schema::value_t::boolean:
      return kBoolean;
    case Schema::value_t::object:
      return kObject;
    case Schema::value_t::array:
      return kArray;
    case Schema::value_t::string:
      return kString;
    case Schema::value_t::number_float: {
      const double number = value.get<double>();
      return number == std::floor(number) ? kInteger : kFraction;
    }
    default:
      return kInteger;
  }
}

bool json_equal(const Schema& a, const Schema& b) {
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      const auto other = b.find(key);
      if (other == b.end() || !json_equal(value, *other)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array())
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), json_equal);
  return a == b;
}

}  // namespace hadal::grammar
