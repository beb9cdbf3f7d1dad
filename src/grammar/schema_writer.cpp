#include "grammar/schema_writer.h"

#include "grammar/char_nfa.h"
#include "grammar/char_set.h"
#include "grammar/literal_trie.h"
#include "grammar/number_range.h"
#include "grammar/schema_checks.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

// No other keyword of the schema says anything about the value.
bool only_alternatives(const Schema& schema, std::string_view keyword) {
  for (const auto& [name, value] : schema.items())
    if (name != keyword && !is_annotation(name)) return false;
  return true;
}

bool allows(StringForm form, bool is_string) {
  return form == StringForm::json || is_string == (form == StringForm::raw);
}

}  // namespace

RuleId SchemaWriter::rule_of(const Conjunction& conjunction, StringForm form) {
  const auto [place, is_new] = rules_.try_emplace(Key{conjunction, form}, 0);
  if (is_new) {
    const Schema* first =
        conjunction.schemas.empty() ? nullptr : conjunction.schemas.front().schema;
    place->second = builder_.add_rule("the schema at " + document_.place_of(first));
    waiting_.push_back(place->first);
  }
  return place->second;
}

Result<void> SchemaWriter::write_rules() {
  while (!waiting_.empty() && !builder_.full()) {
    const Key key = std::move(waiting_.front());
    waiting_.pop_front();
    HADAL_ASSIGN(const StateId state, value(key));
    builder_.define_rule(rules_.at(key), state);
  }
  return {};
}

Result<StateId> SchemaWriter::value(const Key& key) {
  const Conjunction& conjunction = key.conjunction;
  HADAL_TRY(document_.spend(1 + conjunction.schemas.size()));
  if (conjunction.is_never) return builder_.split({});
  HADAL_ASSIGN(const auto values, named_values(document_, conjunction));
  if (values.owner != nullptr) return constants(values, key);
  for (std::size_t i = 0; i < conjunction.schemas.size(); ++i) {
    const Conjunct& conjunct = conjunction.schemas[i];
    if (conjunct.schema->contains("anyOf") && !conjunct.any_of_is_chosen)
      return branches(key, i, "anyOf");
    if (conjunct.schema->contains("oneOf") && !conjunct.one_of_is_chosen)
      return branches(key, i, "oneOf");
  }
  return typed_value(key);
}

Result<StateId> SchemaWriter::constants(const NamedValues& named, const Key& key) {
  std::vector<std::string> texts;
  std::vector<StateId> ways;
  for (const Schema* value : named.values) {
    HADAL_ASSIGN(const bool ok, satisfies(document_, *value, key.conjunction, named.owner));
    if (!ok || !allows(key.form, value->is_string())) continue;
    if (value->is_string()) {
      const auto& text = value->get_ref<const std::string&>();
      texts.push_back(key.form == StringForm::raw ? text : '"' + escape_json(text) + '"');
    } else if (value->is_structured()) {
      ways.push_back(json_constant(builder_, *value, space_, kReturn));
    } else {
      texts.push_back(value->dump());
    }
  }
  if (!texts.empty()) ways.push_back(one_of(builder_, std::move(texts), kReturn));
  return builder_.split(std::move(ways));
}

Result<StateId> SchemaWriter::branches(const Key& key, std::size_t index,
                                       std::string_view keyword) {
  const Conjunction& conjunction = key.conjunction;
  const Schema* schema = conjunction.schemas[index].schema;
  const auto group = schema->find(keyword);
  if (!group->is_array() || group->empty())
    return document_.wrong(schema, keyword, "a non-empty array of schemas");
  if (keyword == "oneOf") HADAL_TRY(check_exclusive(schema, conjunction, index));

  const bool is_alone = conjunction.schemas.size() == 1 && only_alternatives(*schema, keyword);
  Conjunction base = conjunction;
  Conjunct& chosen = base.schemas[index];
  (keyword == "anyOf" ? chosen.any_of_is_chosen : chosen.one_of_is_chosen) = true;
  std::vector<StateId> ways;
  for (std::size_t i = 0; i < group->size(); ++i) {
    const Schema* branch = document_.child(schema, keyword, i);
    HADAL_ASSIGN(const Conjunction own, document_.conjunction_of({branch}));
    if (is_alone) {
      ways.push_back(builder_.call(rule_of(own, key.form), kReturn));
      continue;
    }
    for (const Conjunct& conjunct : own.schemas) {
      const bool leads_back = std::ranges::any_of(base.schemas, [&](const Conjunct& other) {
        return other.schema == conjunct.schema &&
               (other.any_of_is_chosen || other.one_of_is_chosen);
      });
      if (leads_back) {
        return document_.refuse(schema, keyword, "leads back to a schema of which it is a branch");
      }
    }
    HADAL_ASSIGN(const Conjunction both, document_.extend(base, *branch));
    ways.push_back(builder_.call(rule_of(both, key.form), kReturn));
  }
  return builder_.split(std::move(ways));
}

Result<void> SchemaWriter::check_exclusive(const Schema* schema, const Conjunction& conjunction,
                                           std::size_t index) {
  // What stands beside oneOf narrows the branches too, but must not ask the same question again.
  Conjunction beside = conjunction;
  beside.schemas[index].any_of_is_chosen = beside.schemas[index].one_of_is_chosen = true;
  std::vector<Conjunction> parts;
  for (std::size_t i = 0; i < schema->at("oneOf").size(); ++i) {
    HADAL_ASSIGN(Conjunction part, document_.extend(beside, *document_.child(schema, "oneOf", i)));
    parts.push_back(std::move(part));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (std::size_t k = i + 1; k < parts.size(); ++k) {
      HADAL_ASSIGN(const bool ok, exclude_each_other(document_, parts[i], parts[k]));
      if (ok) continue;
      return document_.refuse(
          schema, "oneOf",
          fmt::format("has branches {} and {} that may both hold; use anyOf, or give each a "
                      "required member with a constant of its own",
                      i, k));
    }
  }
  return {};
}

Result<StateId> SchemaWriter::typed_value(const Key& key) {
  const Conjunction& conjunction = key.conjunction;
  HADAL_ASSIGN(const std::uint8_t all_types, types_of(document_, conjunction));
  int types = all_types;
  if (!allows(key.form, /*is_string=*/true)) types &= ~kString;
  if (!allows(key.form, /*is_string=*/false)) types &= kString;
  std::vector<StateId> ways;
  if (types & kObject) {
    HADAL_ASSIGN(const StateId state, object(conjunction));
    ways.push_back(state);
  }
  if (types & kArray) {
    HADAL_ASSIGN(const StateId state, array(conjunction));
    ways.push_back(state);
  }
  if (types & kString) {
    HADAL_ASSIGN(const StateId state, string(key));
    ways.push_back(state);
  }
  if (types & kInteger) {
    HADAL_ASSIGN(const StateId state, number(conjunction, (types & kFraction) != 0));
    ways.push_back(state);
  }
  if (types & kBoolean) {
    ways.push_back(builder_.literal("true", kReturn));
    ways.push_back(builder_.literal("false", kReturn));
  }
  if (types & kNull) ways.push_back(builder_.literal("null", kReturn));
  return builder_.split(std::move(ways));
}

Result<StateId> SchemaWriter::string(const Key& key) {
  const bool is_raw = key.form == StringForm::raw;
  HADAL_ASSIGN(StringFacts facts, string_facts(document_, key.conjunction));
  if (facts.min_length > facts.max_length) return builder_.split({});
  if (facts.patterns.empty() && is_raw) {
    const StateId one = read_char(builder_, CharSet::all(), CharEncoding::utf8, kReturn);
    return builder_.repeat(one, facts.min_length, facts.max_length, kReturn);
  }
  if (facts.patterns.empty())
    return json_string(builder_, facts.min_length, facts.max_length, kReturn);
  CharNfa all = std::move(facts.patterns.front());
  const auto add = [&](Result<CharNfa> more) -> Result<void> {
    if (!more) return more.error();
    HADAL_ASSIGN(all, intersect(all, *more));
    return {};
  };
  Result<void> done;
  for (std::size_t i = 1; i < facts.patterns.size() && done; ++i)
    done = add(std::move(facts.patterns[i]));
  if (done && (facts.min_length > 0 || facts.max_length != kUnbounded))
    done = add(nfa_of_length(facts.min_length, facts.max_length));
  if (!done) {
    return error(done.error().code, "{}: {}",
                 document_.place_of(key.conjunction.schemas.front().schema), done.error().message);
  }
  if (is_raw) return write_nfa(builder_, all, CharEncoding::utf8, kReturn);
  const StateId close = builder_.literal("\"", kReturn);
  return builder_.literal("\"", write_nfa(builder_, all, CharEncoding::json_string, close));
}

Result<StateId> SchemaWriter::number(const Conjunction& conjunction, bool may_have_fraction) {
  HADAL_ASSIGN(const NumberFacts facts, number_facts(document_, conjunction));
  for (const double multiple : facts.multiples_of) {
    // Integers are multiples of 1, 1/2, 1/4 ...; of 1: a number is an integer.
    const double per_one = 1 / multiple;
    const bool changes_nothing =
        multiple == 1 || (!may_have_fraction && per_one == std::floor(per_one) &&
                          multiple == 1 / per_one && std::exp2(std::ilogb(multiple)) == multiple);
    if (!changes_nothing) {
      return document_.refuse(conjunction.schemas.front().schema, "multipleOf",
                              "other than 1 cannot be enforced while the text is generated");
    }
    may_have_fraction = false;
  }
  if (!facts.range.low && !facts.range.high)
    return may_have_fraction ? json_number(builder_, kReturn) : json_integer(builder_, kReturn);
  return may_have_fraction ? json_number_in(builder_, facts.range, kReturn)
                           : json_integer_in(builder_, facts.range, kReturn);
}

StateId SchemaWriter::comma(StateId next) {
  return builder_.literal(",", space_behind_comma(builder_, space_, next));
}

Result<StateId> SchemaWriter::array(const Conjunction& conjunction) {
  HADAL_ASSIGN(const ArrayFacts facts, array_facts(document_, conjunction));
  std::uint32_t max = facts.max_items;
  const auto n_prefix = static_cast<std::uint32_t>(facts.prefix.size());
  for (std::uint32_t i = n_prefix; i-- > 0;)
    if (facts.prefix[i].is_never) max = std::min(max, i);
  if (facts.rest.is_never) max = std::min(max, n_prefix);
  if (facts.min_items > max) return builder_.split({});

  const StateId end = builder_.literal("]", kReturn);
  const StateId close = space_at_bracket(builder_, space_, end);
  const auto less = [](std::uint32_t count, std::uint32_t by) {
    return count == kUnbounded ? kUnbounded : count > by ? count - by : 0;
  };
  // Items behind the first `n`, which are there: as many as the bounds leave.
  const auto more_of_rest = [&](std::uint32_t n) {
    if (less(max, n) == 0) return close;
    return builder_.repeat(comma(call(facts.rest, kReturn)), less(facts.min_items, n), less(max, n),
                           close);
  };
  StateId behind = more_of_rest(std::max(n_prefix, 1u));
  std::optional<StateId> first_item;
  for (std::uint32_t i = n_prefix; i-- > 0;) {
    if (i >= max) {
      behind = close;
      continue;
    }
    // behind: what follows item i.
    const StateId item = call(facts.prefix[i], behind);
    if (i == 0) {
      first_item = item;
    } else {
      behind = i >= facts.min_items ? builder_.split({close, comma(item)}) : comma(item);
    }
  }
  if (n_prefix == 0 && max > 0) first_item = call(facts.rest, behind);
  std::vector<StateId> ways;
  if (facts.min_items == 0) ways.push_back(end);
  if (first_item) ways.push_back(space_at_bracket(builder_, space_, *first_item));
  return builder_.literal("[", builder_.split(std::move(ways)));
}

StateId SchemaWriter::member(const std::string& quoted_name, const Conjunction& value,
                             StateId next) {
  return builder_.literal(quoted_name + ":",
                          space_behind_colon(builder_, space_, call(value, next)));
}

Result<StateId> SchemaWriter::object(const Conjunction& conjunction) {
  HADAL_ASSIGN(const ObjectFacts facts, object_facts(document_, conjunction));
  HADAL_ASSIGN(const Bounds others, bounds_of_others(conjunction, facts));
  const StateId end = builder_.literal("}", kReturn);
  const StateId close = space_at_bracket(builder_, space_, end);

  std::vector<std::string> names;
  for (const auto& property : facts.properties) names.push_back(property.name);
  // `behind`: what may follow a member; `keys`: what may follow the comma before the next one.
  StateId behind = close;
  std::optional<StateId> keys;
  if (others.max > 0 && !facts.others.is_never) {
    const auto other = [&](StateId next) {
      const StateId colon =
          builder_.literal(":", space_behind_colon(builder_, space_, call(facts.others, next)));
      return json_string_except(builder_, names, colon);
    };
    if (others.max == kUnbounded) {
      behind = builder_.undecided();
      keys = other(behind);
      builder_.decide(behind, {close, comma(*keys)});
    } else {
      keys = other(builder_.repeat(comma(other(kReturn)), 0, others.max - 1, close));
      behind = builder_.split({close, comma(*keys)});
    }
  }
  bool may_end = others.min == 0;  // before any member
  for (std::size_t i = facts.properties.size(); i-- > 0;) {
    const ObjectFacts::Property& property = facts.properties[i];
    if (property.value.is_never && !property.is_required) continue;
    const StateId here = member('"' + escape_json(property.name) + '"', property.value, behind);
    if (property.is_required) {
      keys = here;
      behind = comma(here);
      may_end = false;
    } else {
      keys = keys ? builder_.split({here, *keys}) : here;
      behind = may_end ? builder_.split({close, comma(*keys)}) : comma(*keys);
    }
  }
  std::vector<StateId> ways;
  if (may_end) ways.push_back(end);
  if (keys) ways.push_back(space_at_bracket(builder_, space_, *keys));
  return builder_.literal("{", builder_.split(std::move(ways)));
}

// How many members with other names there may be. Names may repeat, and then count once: so a
// lower bound above one cannot be kept.
Result<Bounds> SchemaWriter::bounds_of_others(const Conjunction& conjunction,
                                              const ObjectFacts& facts) {
  const auto n_named = static_cast<std::uint32_t>(facts.properties.size());
  const auto n_required = static_cast<std::uint32_t>(std::ranges::count_if(
      facts.properties, [](const auto& property) { return property.is_required; }));
  const bool is_map = n_named == 0;
  if (facts.min_properties > n_required && !(is_map && facts.min_properties == 1)) {
    return document_.refuse(conjunction.schemas.front().schema, "minProperties",
                            "above the number of required members cannot be enforced (except 1, "
                            "without properties)");
  }
  const bool has_others = !facts.others.is_never;
  if (facts.max_properties < n_named ||
      (has_others && !is_map && facts.max_properties != kUnbounded)) {
    return document_.refuse(conjunction.schemas.front().schema, "maxProperties",
                            "cannot be enforced together with properties");
  }
  return Bounds{facts.min_properties > n_required ? 1u : 0u,
                is_map ? facts.max_properties : kUnbounded};
}

}  // namespace hadal::grammar
