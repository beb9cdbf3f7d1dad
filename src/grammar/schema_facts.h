// What a conjunction of schemas says of each type of value, gathered from its keywords.
#pragma once

#include "base/result.h"
#include "grammar/char_nfa.h"
#include "grammar/number_range.h"
#include "grammar/schema_document.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hadal::grammar {

struct StringFacts {
  std::uint32_t min_length = 0, max_length = kUnbounded;
  std::vector<CharNfa> patterns;  ///< of `pattern` and `format`
};
Result<StringFacts> string_facts(SchemaDocument& document, const Conjunction& conjunction);

struct NumberFacts {
  NumberRange range;
  std::vector<double> multiples_of;
};
Result<NumberFacts> number_facts(SchemaDocument& document, const Conjunction& conjunction);

struct ArrayFacts {
  std::uint32_t min_items = 0, max_items = kUnbounded;
  std::vector<Conjunction> prefix;
  Conjunction rest;  ///< of every item behind the prefix
};
Result<ArrayFacts> array_facts(SchemaDocument& document, const Conjunction& conjunction);

struct ObjectFacts {
  struct Property {
    std::string name;
    Conjunction value;
    bool is_required = false;
  };
  std::vector<Property> properties;  ///< in the order they are written
  Conjunction others;                ///< of every member with another name
  std::uint32_t min_properties = 0, max_properties = kUnbounded;
};
Result<ObjectFacts> object_facts(SchemaDocument& document, const Conjunction& conjunction);

/// The values that enum and const name: of the first of them, not yet checked against the rest.
struct NamedValues {
  const Schema* owner = nullptr;  ///< the schema with the keyword; none: there is none
  std::vector<const Schema*> values;
};
Result<NamedValues> named_values(SchemaDocument& document, const Conjunction& conjunction);

}  // namespace hadal::grammar
