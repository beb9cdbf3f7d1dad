// The identity of a causal structure, for splits that cannot leak.
#pragma once

#include "worlds/world.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hadal::worlds {

/// A hash of the causal structure alone: colour refinement of the graph of variables and
/// mechanisms, with the domain's name. Names, words, tools and the order of anything do not enter,
/// nor which value of a variable is called "true" (values are taken relative to the initial state).
/// Equal structures give equal hashes; so two worlds with different hashes differ in structure.
std::uint64_t structure_hash(const World& world);

/// The side of the split this structure belongs to: one in five is kept from training.
bool is_held_out_structure(std::uint64_t structure_hash);

/// What a mechanism is, without its entities: "light" (an action's tool), "law lit" (the word that
/// a law brings about).
std::string template_of(const World& world, const Mechanism& mechanism);

/// "An effect of template `first` is what template `second` needs": is the pair, in this domain,
/// one of the 15 % that are kept from training?
bool is_held_out_pair(std::string_view domain, std::string_view first, std::string_view second);

/// Pairs of mechanisms of this world in which one enables the other and whose templates are held
/// out. @param relevant_only  count those on a way to the goal alone
std::size_t count_held_out_pairs(const World& world, bool relevant_only);

}  // namespace hadal::worlds
