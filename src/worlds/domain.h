// A domain is a table of words: entity types, properties with a word and a tool per value, and
// phrasings. All the code of src/worlds is the same for every domain; a new domain is one more
// table in src/worlds/domains.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hadal::worlds {

inline constexpr std::size_t kMaxValues = 4;

/// A property of an entity, with two to four values; the words behind the last value are empty. A
/// world gives each of its variables two of them (Variable::values in world.h).
struct Property {
  std::string_view words[kMaxValues];  ///< the adjective in "the lamp is lit": {"dark", "lit"}
  std::string_view tools[kMaxValues];  ///< the action that gives the entity that value:
                                       ///< {"dim", "light"}; unique in its domain
};
std::size_t n_values(const Property& property) noexcept;

struct EntityType {
  std::span<const std::string_view> nouns;
  std::span<const std::uint8_t> properties;  ///< indices into Domain::properties
};

/// How many nouns of the type are in use when `limit` is the most per type (0: no limit).
std::size_t n_nouns(const EntityType& type, std::size_t limit) noexcept;

/// Phrasings hold the placeholders {tool} {item} {pre} {eff} (mechanisms) or {goal} (goals); a
/// literal holds {item} and then, at its end, {word}.
inline constexpr std::size_t kPhrasings = 3;

struct Domain {
  std::string_view name;       ///< "household"
  std::string_view parameter;  ///< name of the only parameter of every tool: "item"
  std::span<const std::string_view> adjectives;
  std::span<const EntityType> types;
  std::span<const Property> properties;
  std::string_view action_phrasings[kPhrasings];       ///< an action with preconditions
  std::string_view free_action_phrasings[kPhrasings];  ///< an action without
  std::string_view law_phrasings[kPhrasings];
  std::string_view goal_phrasings[kPhrasings];
  std::string_view literal;  ///< within mechanisms and goals
};

/// All domains. The order is part of the data: it numbers them in WorldKey. Never empty.
std::span<const Domain> domains();

/// One in five adjective-noun pairs is held out of training and of the split `test`; only
/// `test_names` uses them.
bool is_held_out_name(std::string_view adjective, std::string_view noun);

/// Domains to draw worlds from: indices into domains(), not empty, each once.
struct DomainChoice {
  std::vector<std::size_t> indices = {0};  ///< household
};

/// "household", "finance,supply" or "all". Errors: invalid_argument.
Result<DomainChoice> parse_domain_choice(std::string_view names);

}  // namespace hadal::worlds
