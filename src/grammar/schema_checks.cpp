#include "grammar/schema_checks.h"

#include "grammar/char_set.h"
#include "grammar/schema_facts.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace hadal::grammar {
namespace {

// How many branches of a group the value satisfies.
Result<std::size_t> count_branches(SchemaDocument& document, const Schema& value,
                                   const Schema* schema, std::string_view keyword) {
  const auto group = schema->find(keyword);
  if (!group->is_array() || group->empty())
    return document.wrong(schema, keyword, "a non-empty array of schemas");
  std::size_t n = 0;
  for (std::size_t i = 0; i < group->size(); ++i) {
    HADAL_ASSIGN(const Conjunction branch,
                 document.conjunction_of({document.child(schema, keyword, i)}));
    HADAL_ASSIGN(const bool ok, satisfies(document, value, branch));
    n += ok ? 1 : 0;
  }
  return n;
}

Result<bool> string_satisfies(SchemaDocument& document, const std::string& text,
                              const Conjunction& conjunction) {
  HADAL_ASSIGN(const StringFacts facts, string_facts(document, conjunction));
  const std::size_t length = decode_chars(text).size();
  if (length < facts.min_length || length > facts.max_length) return false;
  return std::ranges::all_of(facts.patterns,
                             [&](const CharNfa& nfa) { return nfa_accepts(nfa, text); });
}

Result<bool> number_satisfies(SchemaDocument& document, double number,
                              const Conjunction& conjunction) {
  HADAL_ASSIGN(const NumberFacts facts, number_facts(document, conjunction));
  for (const double multiple : facts.multiples_of)
    if (std::fmod(number, multiple) != 0) return false;
  if (!facts.range.low && !facts.range.high) return true;
  const auto decimal = Decimal::from(number);
  if (!decimal) return false;
  if (facts.range.low) {
    const int order = compare(*decimal, *facts.range.low);
    if (order < 0 || (order == 0 && facts.range.is_low_exclusive)) return false;
  }
  if (facts.range.high) {
    const int order = compare(*decimal, *facts.range.high);
    if (order > 0 || (order == 0 && facts.range.is_high_exclusive)) return false;
  }
  return true;
}

Result<bool> array_satisfies(SchemaDocument& document, const Schema& value,
                             const Conjunction& conjunction) {
  HADAL_ASSIGN(const ArrayFacts facts, array_facts(document, conjunction));
  if (value.size() < facts.min_items || value.size() > facts.max_items) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Conjunction& item = i < facts.prefix.size() ? facts.prefix[i] : facts.rest;
    HADAL_ASSIGN(const bool ok, satisfies(document, value[i], item));
    if (!ok) return false;
  }
  return true;
}

Result<bool> object_satisfies(SchemaDocument& document, const Schema& value,
                              const Conjunction& conjunction) {
  HADAL_ASSIGN(const ObjectFacts facts, object_facts(document, conjunction));
  if (value.size() < facts.min_properties || value.size() > facts.max_properties) return false;
  std::size_t n_named = 0;
  for (const ObjectFacts::Property& property : facts.properties) {
    const auto member = value.find(property.name);
    if (member == value.end()) {
      if (property.is_required) return false;
      continue;
    }
    ++n_named;
    HADAL_ASSIGN(const bool ok, satisfies(document, *member, property.value));
    if (!ok) return false;
  }
  if (n_named == value.size()) return true;
  for (const auto& [name, member] : value.items()) {
    const bool is_named = std::ranges::any_of(
        facts.properties, [&, &key = name](const auto& p) { return p.name == key; });
    if (is_named) continue;
    HADAL_ASSIGN(const bool ok, satisfies(document, member, facts.others));
    if (!ok) return false;
  }
  return true;
}

bool ranges_exclude(const NumberRange& a, const NumberRange& b) {
  const auto is_below = [](const NumberRange& x, const NumberRange& y) {
    if (!x.high || !y.low) return false;
    const int order = compare(*x.high, *y.low);
    return order < 0 || (order == 0 && (x.is_high_exclusive || y.is_low_exclusive));
  };
  return is_below(a, b) || is_below(b, a);
}

// No object satisfies both, because of one of its members.
Result<bool> objects_exclude(SchemaDocument& document, const Conjunction& a, const Conjunction& b) {
  HADAL_ASSIGN(const ObjectFacts first, object_facts(document, a));
  HADAL_ASSIGN(const ObjectFacts second, object_facts(document, b));
  const auto value_in = [](const ObjectFacts& facts, const std::string& name) {
    for (const auto& property : facts.properties)
      if (property.name == name) return property.value;
    return facts.others;
  };
  for (const ObjectFacts* facts : {&first, &second}) {
    const ObjectFacts& other = facts == &first ? second : first;
    for (const ObjectFacts::Property& property : facts->properties) {
      if (!property.is_required) continue;
      HADAL_ASSIGN(const bool exclude,
                   exclude_each_other(document, property.value, value_in(other, property.name)));
      if (exclude) return true;
    }
  }
  return false;
}

}  // namespace

Result<bool> satisfies(SchemaDocument& document, const Schema& value,
                       const Conjunction& conjunction, const Schema* owner) {
  HADAL_TRY(document.spend(1 + conjunction.schemas.size()));
  if (conjunction.is_never) return false;
  HADAL_ASSIGN(const std::uint8_t types, types_of(document, conjunction));
  const TypeBits type = type_of_value(value);
  if ((types & type) == 0) return false;
  for (const Conjunct& conjunct : conjunction.schemas) {
    const Schema& schema = *conjunct.schema;
    if (schema.contains("const") && !json_equal(value, schema.at("const"))) return false;
    if (schema.contains("enum") && &schema != owner) {
      if (!schema.at("enum").is_array()) return document.wrong(&schema, "enum", "an array");
      HADAL_TRY(document.spend(schema.at("enum").size() / 64));
      if (std::ranges::none_of(schema.at("enum"),
                               [&](const Schema& item) { return json_equal(value, item); }))
        return false;
    }
    if (schema.contains("anyOf") && !conjunct.any_of_is_chosen) {
      HADAL_ASSIGN(const std::size_t n, count_branches(document, value, &schema, "anyOf"));
      if (n == 0) return false;
    }
    if (schema.contains("oneOf") && !conjunct.one_of_is_chosen) {
      HADAL_ASSIGN(const std::size_t n, count_branches(document, value, &schema, "oneOf"));
      if (n != 1) return false;
    }
  }
  switch (type) {
    case kString:
      return string_satisfies(document, value.get_ref<const std::string&>(), conjunction);
    case kInteger:
    case kFraction:
      return number_satisfies(document, value.get<double>(), conjunction);
    case kArray:
      return array_satisfies(document, value, conjunction);
    case kObject:
      return object_satisfies(document, value, conjunction);
    default:
      return true;
  }
}

Result<bool> exclude_each_other(SchemaDocument& document, const Conjunction& a,
                                const Conjunction& b) {
  HADAL_TRY(document.spend(1 + a.schemas.size() + b.schemas.size()));
  if (a.is_never || b.is_never) return true;
  HADAL_ASSIGN(const std::uint8_t types_a, types_of(document, a));
  HADAL_ASSIGN(const std::uint8_t types_b, types_of(document, b));
  const int common = types_a & types_b;
  if (common == 0) return true;
  for (const auto& [named, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    HADAL_ASSIGN(const auto values, named_values(document, *named));
    if (values.owner == nullptr) continue;
    for (const Schema* value : values.values) {
      HADAL_ASSIGN(const bool in_own, satisfies(document, *value, *named, values.owner));
      if (!in_own) continue;
      HADAL_ASSIGN(const bool in_other, satisfies(document, *value, *other));
      if (in_other) return false;
    }
    return true;
  }
  if ((common & ~(kFraction | kInteger)) == 0) {
    HADAL_ASSIGN(const NumberFacts first, number_facts(document, a));
    HADAL_ASSIGN(const NumberFacts second, number_facts(document, b));
    return ranges_exclude(first.range, second.range);
  }
  if (common == kObject) return objects_exclude(document, a, b);
  return false;
}

}  // namespace hadal::grammar
