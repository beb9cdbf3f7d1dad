// Words for literals and mechanisms. Plain text only: nothing here can contain a special token.
#pragma once

#include "worlds/world.h"

#include <span>
#include <string>

namespace hadal::worlds {

/// "the red pan is hot"
std::string sentence(const World& world, Literal literal);
/// "the red pan is not hot"
std::string negated_sentence(const World& world, Literal literal);
/// "red pan hot", or in most domains "the red pan is hot"
std::string short_form(const World& world, Literal literal);
/// "the red pan is hot and the jar is open"
std::string sentences(const World& world, std::span<const Literal> literals);
/// "the red pan is hot, the jar is open." for everything that came about.
std::string effects_text(const World& world, std::span<const Literal> literals);
/// "heat red pan: needs old stove lit; makes red pan hot." in the phrasing of the mechanism.
std::string mechanism_text(const World& world, const Mechanism& mechanism);
/// "make red pan hot and old jar open." in the phrasing of the goal.
std::string goal_text(const World& world);
/// The same for another goal than the world's.
std::string goal_text(const World& world, std::span<const Literal> goal);
/// "household; tools: heat, light, open." with the tools of this world, sorted.
std::string system_line(const World& world);
/// The tools of this world, sorted, each once.
std::vector<std::string_view> tool_names(const World& world);

// The compact form (TextForm::compact): words and single spaces, and a colon in a refusal.

/// "red pan hot"; "red pan hot and old jar open"
std::string compact_literals(const World& world, std::span<const Literal> literals);
/// "heat red pan if old stove lit then red pan hot", "if old stove lit then red pan hot" (a law)
std::string compact_mechanism(const World& world, const Mechanism& mechanism);
/// "heat red pan"
std::string compact_call(const World& world, const Mechanism& action);
/// All words of the compact form: those of its grammar, then each domain's, in the order of the
/// tables. Each once. @param nouns_per_type  as in WorldOptions
std::vector<std::string> compact_words(std::size_t nouns_per_type);

}  // namespace hadal::worlds
