// A JSON schema as sets of subschemas that one value must satisfy together.
#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::grammar {

using Schema = nlohmann::ordered_json;

/// One schema of a conjunction. Its alternatives may have been chosen already.
struct Conjunct {
  const Schema* schema;
  bool any_of_is_chosen = false, one_of_is_chosen = false;
  auto operator<=>(const Conjunct&) const = default;
};

/// Schemas that a value must all satisfy, with allOf and $ref followed: sorted, one per schema,
/// objects only, without those that hold nothing but allOf, $ref and annotations. `is_never`: one
/// of them is `false`.
struct Conjunction {
  std::vector<Conjunct> schemas;
  bool is_never = false;
  auto operator<=>(const Conjunction&) const = default;
};

/// Types of JSON values, one bit each; a number is `integer` or `fraction`.
enum TypeBits : std::uint8_t {
  kNull = 1,
  kBoolean = 2,
  kObject = 4,
  kArray = 8,
  kFraction = 16,
  kInteger = 32,
  kString = 64,
  kAllTypes = 127,
};

/// Follows references and checks keywords, within kMaxSchemaWork. One thread. The document must
/// outlive it.
class SchemaDocument {
 public:
  SchemaDocument(const Schema& root, std::string_view source) : root_(root), source_(source) {}

  /// The conjunction of `schemas`, each an object or a boolean in the document.
  Result<Conjunction> conjunction_of(const std::vector<const Schema*>& schemas);
  /// The same with conjuncts whose alternatives may have been chosen.
  Result<Conjunction> extend(Conjunction base, const Schema& branch);

  /// A subschema; remembers where it stands, for messages.
  const Schema* child(const Schema* parent, std::string_view keyword);
  const Schema* child(const Schema* parent, std::string_view keyword, std::size_t index);

  void name_place(const Schema* schema, const Schema* parent, std::string_view keyword,
                  std::string_view member);

  Error refuse(const Schema* schema, std::string_view keyword, std::string_view why);
  Error wrong(const Schema* schema, std::string_view keyword, std::string_view expected);
  std::string place_of(const Schema* schema) const;

  /// Counts an amount of work. Error: unsupported, when it is too much.
  Result<void> spend(std::size_t amount);

 private:
  Result<void> check_keywords(const Schema* schema);
  Result<const Schema*> resolve(const Schema* schema, const std::string& reference);

  const Schema& root_;
  std::string source_;
  std::map<const Schema*, std::string> places_;
  std::map<std::string, const Schema*, std::less<>> resolved_;
  std::size_t work_ = 0;
};

/// Whether the keyword says nothing about a value.
bool is_annotation(std::string_view keyword);

/// A keyword that must be a whole number >= 0; `fallback` when absent. Numbers above 2^32 - 2 are
/// that.
Result<std::uint32_t> count_keyword(SchemaDocument& document, const Schema* schema,
                                    std::string_view keyword, std::uint32_t fallback);

/// TypeBits that `type` of all of them allows.
Result<std::uint8_t> types_of(SchemaDocument& document, const Conjunction& conjunction);

/// The type of a value; numbers without a fractional part are integers.
TypeBits type_of_value(const Schema& value);

/// Equal as JSON: numbers by value, objects without order.
bool json_equal(const Schema& a, const Schema& b);

}  // namespace hadal::grammar
