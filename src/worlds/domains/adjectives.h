// The adjectives of names: short common words, none of them a property word, a tool or a noun of
// the domains that use them.
#pragma once

#include <string_view>

namespace hadal::worlds {

/// For things one can touch: "the red valve".
inline constexpr std::string_view kThingAdjectives[] = {
    "red",    "blue",   "green",  "black",  "white", "brown", "gray",  "pink",   "gold",  "silver",
    "old",    "new",    "big",    "small",  "tall",  "short", "long",  "wide",   "thin",  "thick",
    "round",  "square", "soft",   "hard",   "heavy", "plain", "fancy", "cheap",  "fine",  "rough",
    "smooth", "sharp",  "bright", "pale",   "deep",  "steel", "iron",  "wooden", "stone", "copper",
    "brass",  "paper",  "rubber", "cotton", "oak",   "pine",  "maple", "cedar",  "north", "south",
    "east",   "west",   "front",  "back",   "upper", "lower", "spare", "main",   "inner", "outer"};

/// For accounts, papers and other matters of an office: "the annual report".
inline constexpr std::string_view kMatterAdjectives[] = {
    "annual",   "monthly",   "weekly",    "daily",     "early",  "late",     "first",
    "second",   "third",     "fourth",    "fifth",     "sixth",  "final",    "initial",
    "local",    "foreign",   "joint",     "private",   "public", "general",  "special",
    "regular",  "standard",  "simple",    "basic",     "extra",  "major",    "minor",
    "senior",   "junior",    "central",   "regional",  "global", "national", "domestic",
    "internal", "external",  "primary",   "secondary", "spare",  "main",     "old",
    "new",      "big",       "small",     "short",     "long",   "urgent",   "routine",
    "formal",   "temporary", "permanent", "partial",   "single", "double",   "northern",
    "southern", "eastern",   "western",   "complex"};

}  // namespace hadal::worlds
