// Draws worlds: counter based, so that item `index` of a stream needs no other item and no file.
#pragma once

#include "worlds/options.h"
#include "worlds/world.h"

namespace hadal::worlds {

/// The world named by `key`. Candidates are drawn until one (a) belongs to the key's split by its
/// structure (world_hash.h), (b) has a shortest plan of exactly key.depth actions, (c) whose
/// longest causal chain has at least depth - 1 of them, and (d) has enough distractors.
/// Preconditions are drawn per world, so a plan can only be found by reading the text. Requires 1
/// <= depth <= kMaxDepth and domain < domains().size(); callers check user input. Pure function,
/// any thread. Cost: about 10-50 us at depth 1-3.
World generate_world(const WorldKey& key, const WorldOptions& options);

/// Laws cannot disagree: no law's effect is undone by another law or needed in its opposite value
/// by one, so settle() gives one result for every order of firing (world-model.md 3.1: stratified).
bool laws_are_confluent(const World& world);

}  // namespace hadal::worlds
