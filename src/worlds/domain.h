// A domain is a table of words: entity types, properties with their two words and two tools, and
// phrasings. All the code of src/worlds is the same for every domain; a new domain is one more
// table in domain.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hadal::worlds {

/// A boolean property of an entity. Index 0 is "false", 1 is "true".
struct Property {
  std::string_view words[2];  ///< the adjective in "the lamp is lit": {"dark", "lit"}
  std::string_view tools[2];  ///< the action that gives the entity that value: {"dim", "light"};
                              ///< unique in its domain
};

struct EntityType {
  std::span<const std::string_view> nouns;
  std::span<const std::uint8_t> properties;  ///< indices into Domain::properties
};

/// Phrasings hold the placeholders {tool} {item} {pre} {eff} (mechanisms) or {goal} (goals).
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
};

/// All domains. The order is part of the data: it numbers them in WorldKey. Never empty.
std::span<const Domain> domains();

/// One in five adjective-noun pairs is held out of training and of the split `test`; only
/// `test_names` uses them.
bool is_held_out_name(std::string_view adjective, std::string_view noun);

}  // namespace hadal::worlds
