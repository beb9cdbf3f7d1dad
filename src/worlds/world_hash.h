// The identity of a causal structure, for splits that cannot leak.
#pragma once

#include "worlds/world.h"

#include <cstdint>

namespace hadal::worlds {

/// A hash of the causal structure alone: colour refinement of the graph of variables and
/// mechanisms, with the domain's name. Names, words, tools and the order of anything do not enter,
/// nor which value of a variable is called "true" (values are taken relative to the initial state).
/// Equal structures give equal hashes; so two worlds with different hashes differ in structure.
std::uint64_t structure_hash(const World& world);

/// The side of the split this structure belongs to: one in five is kept from training.
bool is_held_out_structure(std::uint64_t structure_hash);

}  // namespace hadal::worlds
