// Writes conjunctions of JSON schemas as rules of a grammar.
#pragma once

#include "base/result.h"
#include "grammar/grammar_builder.h"
#include "grammar/json_text.h"
#include "grammar/schema_document.h"
#include "grammar/schema_facts.h"

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace hadal::grammar {

/// How strings stand in the text. Their parts (in arrays, objects) are always JSON.
enum class StringForm : std::uint8_t {
  json,  ///< any value, as JSON
  raw,   ///< only values that are strings, without quotes and escapes
  none,  ///< only values that are not strings, as JSON
};

/// One thread. Builder and document must outlive it.
class SchemaWriter {
 public:
  SchemaWriter(GrammarBuilder& builder, SchemaDocument& document, JsonSpace space)
      : builder_(builder), document_(document), space_(space) {}

  /// The rule of values that satisfy the conjunction; it is written by `write_rules`.
  RuleId rule_of(const Conjunction& conjunction, StringForm form);
  /// Writes the rules asked for so far, and those that they ask for. A queue, so that nested
  /// schemas need no depth. Errors: those of compile_json_schema.
  Result<void> write_rules();

 private:
  struct Key {
    Conjunction conjunction;
    StringForm form;
    auto operator<=>(const Key&) const = default;
  };

  StateId call(const Conjunction& conjunction, StateId next) {
    return builder_.call(rule_of(conjunction, StringForm::json), next);
  }
  StateId comma(StateId next);
  StateId member(const std::string& quoted_name, const Conjunction& value, StateId next);

  // Each: a value, then kReturn.
  Result<StateId> value(const Key& key);
  Result<StateId> constants(const NamedValues& named, const Key& key);
  Result<StateId> branches(const Key& key, std::size_t index, std::string_view keyword);
  Result<StateId> typed_value(const Key& key);
  Result<StateId> string(const Key& key);
  Result<StateId> number(const Conjunction& conjunction, bool may_have_fraction);
  Result<StateId> array(const Conjunction& conjunction);
  Result<StateId> object(const Conjunction& conjunction);

  Result<void> check_exclusive(const Schema* schema, const Conjunction& conjunction,
                               std::size_t index);
  Result<Bounds> bounds_of_others(const Conjunction& conjunction, const ObjectFacts& facts);

  GrammarBuilder& builder_;
  SchemaDocument& document_;
  JsonSpace space_;
  std::map<Key, RuleId> rules_;
  std::deque<Key> waiting_;
};

}  // namespace hadal::grammar
