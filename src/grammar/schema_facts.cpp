#include "grammar/schema_facts.h"

#include "formats/quote.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "grammar/string_format.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace hadal::grammar {
namespace {

Result<CharNfa> pattern_nfa(SchemaDocument& document, const Schema* schema,
                            std::string_view keyword, std::string_view pattern) {
  auto nfa = compile_regex_nfa(pattern, RegexMatch::anywhere);
  if (nfa) {
    HADAL_TRY(document.spend(nfa->states.size()));
    return nfa;
  }
  return Error{nfa.error().code, fmt::format("{}: '{}': {}", document.place_of(schema), keyword,
                                             nfa.error().message)};
}

Result<std::optional<Decimal>> bound(SchemaDocument& document, const Schema* schema,
                                     std::string_view keyword) {
  const auto value = schema->find(keyword);
  if (value == schema->end()) return std::optional<Decimal>();
  if (!value->is_number()) return document.wrong(schema, keyword, "a number");
  const auto decimal = value->is_number_float() ? Decimal::from(value->get<double>())
                                                : Decimal::from_integer(value->dump());
  if (!decimal) {
    return document.refuse(
        schema, keyword,
        fmt::format("has more than {} digits before or behind the point", kMaxBoundDigits));
  }
  return decimal;
}

void tighten(NumberRange& range, const Decimal& bound, bool is_low, bool is_exclusive) {
  auto& place = is_low ? range.low : range.high;
  bool& place_is_exclusive = is_low ? range.is_low_exclusive : range.is_high_exclusive;
  const int order = place ? compare(bound, *place) : 0;
  if (!place || (is_low ? order > 0 : order < 0)) {
    place = bound;
    place_is_exclusive = is_exclusive;
  } else if (order == 0) {
    place_is_exclusive |= is_exclusive;
  }
}

// The schemas of one keyword in all conjuncts, as one conjunction.
Result<Conjunction> conjunction_at(SchemaDocument& document, const Conjunction& conjunction,
                                   std::string_view keyword) {
  std::vector<const Schema*> schemas;
  for (const Conjunct& conjunct : conjunction.schemas)
    if (conjunct.schema->contains(keyword))
      schemas.push_back(document.child(conjunct.schema, keyword));
  return document.conjunction_of(schemas);
}

using Members = std::map<std::string_view, const Schema*>;

Result<Members> members_of(SchemaDocument& document, const Schema* schema) {
  Members members;
  const auto properties = schema->find("properties");
  if (properties == schema->end()) return members;
  if (!properties->is_object()) return document.wrong(schema, "properties", "an object of schemas");
  for (const auto& [name, value] : properties->items()) {
    document.name_place(&value, schema, "properties", name);
    members.emplace(name, &value);
  }
  return members;
}

}  // namespace

Result<StringFacts> string_facts(SchemaDocument& document, const Conjunction& conjunction) {
  StringFacts facts;
  for (const Conjunct& conjunct : conjunction.schemas) {
    const Schema* schema = conjunct.schema;
    HADAL_ASSIGN(const std::uint32_t min, count_keyword(document, schema, "minLength", 0));
    HADAL_ASSIGN(const std::uint32_t max, count_keyword(document, schema, "maxLength", kUnbounded));
    facts.min_length = std::max(facts.min_length, min);
    facts.max_length = std::min(facts.max_length, max);
    if (const auto pattern = schema->find("pattern"); pattern != schema->end()) {
      if (!pattern->is_string()) return document.wrong(schema, "pattern", "a string");
      HADAL_ASSIGN(CharNfa nfa, pattern_nfa(document, schema, "pattern",
                                            pattern->get_ref<const std::string&>()));
      facts.patterns.push_back(std::move(nfa));
    }
    if (const auto format = schema->find("format"); format != schema->end()) {
      if (!format->is_string()) return document.wrong(schema, "format", "a string");
      const auto pattern = pattern_of_format(format->get_ref<const std::string&>());
      if (!pattern) continue;
      HADAL_ASSIGN(CharNfa nfa, pattern_nfa(document, schema, "format", *pattern));
      facts.patterns.push_back(std::move(nfa));
    }
  }
  return facts;
}

Result<NumberFacts> number_facts(SchemaDocument& document, const Conjunction& conjunction) {
  struct Keyword {
    std::string_view name;
    bool is_low, is_exclusive;
  };
  constexpr Keyword kKeywords[] = {{"minimum", true, false},
                                   {"maximum", false, false},
                                   {"exclusiveMinimum", true, true},
                                   {"exclusiveMaximum", false, true}};
  NumberFacts facts;
  for (const Conjunct& conjunct : conjunction.schemas) {
    for (const auto& [name, is_low, is_exclusive] : kKeywords) {
      HADAL_ASSIGN(const std::optional<Decimal> decimal, bound(document, conjunct.schema, name));
      if (decimal) tighten(facts.range, *decimal, is_low, is_exclusive);
    }
    const auto multiple = conjunct.schema->find("multipleOf");
    if (multiple == conjunct.schema->end()) continue;
    if (!multiple->is_number() || !(multiple->get<double>() > 0))
      return document.wrong(conjunct.schema, "multipleOf", "a number > 0");
    facts.multiples_of.push_back(multiple->get<double>());
  }
  return facts;
}

Result<ArrayFacts> array_facts(SchemaDocument& document, const Conjunction& conjunction) {
  ArrayFacts facts;
  std::size_t n_prefix = 0;
  for (const Conjunct& conjunct : conjunction.schemas) {
    const Schema* schema = conjunct.schema;
    HADAL_ASSIGN(const std::uint32_t min, count_keyword(document, schema, "minItems", 0));
    HADAL_ASSIGN(const std::uint32_t max, count_keyword(document, schema, "maxItems", kUnbounded));
    facts.min_items = std::max(facts.min_items, min);
    facts.max_items = std::min(facts.max_items, max);
    if (const auto prefix = schema->find("prefixItems"); prefix != schema->end()) {
      if (!prefix->is_array()) return document.wrong(schema, "prefixItems", "an array of schemas");
      n_prefix = std::max(n_prefix, prefix->size());
    }
  }
  if (n_prefix > kMaxSchemaPrefixItems) {
    return document.refuse(conjunction.schemas.front().schema, "prefixItems",
                           fmt::format("has more than {} items", kMaxSchemaPrefixItems));
  }
  for (std::size_t i = 0; i < n_prefix; ++i) {
    std::vector<const Schema*> schemas;
    for (const Conjunct& conjunct : conjunction.schemas) {
      const auto prefix = conjunct.schema->find("prefixItems");
      if (prefix != conjunct.schema->end() && i < prefix->size()) {
        schemas.push_back(document.child(conjunct.schema, "prefixItems", i));
      } else if (conjunct.schema->contains("items")) {
        schemas.push_back(document.child(conjunct.schema, "items"));
      }
    }
    HADAL_ASSIGN(Conjunction item, document.conjunction_of(schemas));
    facts.prefix.push_back(std::move(item));
  }
  HADAL_ASSIGN(facts.rest, conjunction_at(document, conjunction, "items"));
  return facts;
}

Result<ObjectFacts> object_facts(SchemaDocument& document, const Conjunction& conjunction) {
  ObjectFacts facts;
  std::vector<Members> members;
  std::map<std::string, std::size_t, std::less<>> index;
  const auto add = [&](const std::string& name) -> ObjectFacts::Property& {
    const auto [place, is_new] = index.try_emplace(name, facts.properties.size());
    if (is_new) facts.properties.push_back({name, {}, false});
    return facts.properties[place->second];
  };
  for (const Conjunct& conjunct : conjunction.schemas) {
    const Schema* schema = conjunct.schema;
    HADAL_ASSIGN(Members own, members_of(document, schema));
    members.push_back(std::move(own));
    HADAL_ASSIGN(const std::uint32_t min, count_keyword(document, schema, "minProperties", 0));
    HADAL_ASSIGN(const std::uint32_t max,
                 count_keyword(document, schema, "maxProperties", kUnbounded));
    facts.min_properties = std::max(facts.min_properties, min);
    facts.max_properties = std::min(facts.max_properties, max);
    if (schema->contains("properties"))
      for (const auto& [name, value] : schema->at("properties").items()) add(name);
  }
  for (const Conjunct& conjunct : conjunction.schemas) {
    const auto required = conjunct.schema->find("required");
    if (required == conjunct.schema->end()) continue;
    if (!required->is_array())
      return document.wrong(conjunct.schema, "required", "an array of strings");
    for (const Schema& name : *required) {
      if (!name.is_string())
        return document.wrong(conjunct.schema, "required", "an array of strings");
      add(name.get_ref<const std::string&>()).is_required = true;
    }
  }
  if (facts.properties.size() > kMaxSchemaProperties) {
    return document.refuse(
        conjunction.schemas.front().schema, "properties",
        fmt::format("and required name more than {} members", kMaxSchemaProperties));
  }
  for (ObjectFacts::Property& property : facts.properties) {
    std::vector<const Schema*> schemas;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const Schema* schema = conjunction.schemas[i].schema;
      const auto member = members[i].find(property.name);
      if (member != members[i].end()) {
        schemas.push_back(member->second);
      } else if (schema->contains("additionalProperties")) {
        schemas.push_back(document.child(schema, "additionalProperties"));
      }
    }
    HADAL_ASSIGN(property.value, document.conjunction_of(schemas));
  }
  HADAL_ASSIGN(facts.others, conjunction_at(document, conjunction, "additionalProperties"));
  return facts;
}

Result<NamedValues> named_values(SchemaDocument& document, const Conjunction& conjunction) {
  NamedValues named;
  for (const Conjunct& conjunct : conjunction.schemas) {
    const auto constant = conjunct.schema->find("const");
    if (constant != conjunct.schema->end()) return NamedValues{conjunct.schema, {&*constant}};
  }
  for (const Conjunct& conjunct : conjunction.schemas) {
    const auto list = conjunct.schema->find("enum");
    if (list == conjunct.schema->end()) continue;
    if (!list->is_array()) return document.wrong(conjunct.schema, "enum", "an array");
    named.owner = conjunct.schema;
    for (const Schema& value : *list) named.values.push_back(&value);
    return named;
  }
  return named;
}

}  // namespace hadal::grammar
