#include "agent/builtin_worlds.h"

#include "worlds/domain.h"

namespace hadal {
namespace {

/// As key "text" of models/training/mini/stage1-done/train.json has it (tested).
worlds::WorldOptions world_options() {
  worlds::WorldOptions world;
  world.nouns_per_type = 12;
  world.distractor_ratio = 1.0;
  world.min_distractors = 2;
  world.min_mechanisms = 4;
  world.max_mechanisms = 16;
  world.hold_out_pairs = true;
  world.ancestor_marks = false;
  return world;
}

}  // namespace

const BuiltinWorlds& builtin_worlds() {
  static const BuiltinWorlds kWorlds = {
      .world = world_options(), .domains = *worlds::parse_domain_choice("all"), .trained_depth = 4};
  return kWorlds;
}

std::size_t domain_of_seed(const worlds::DomainChoice& choice, std::uint64_t seed) {
  return choice.indices[seed % choice.indices.size()];
}

}  // namespace hadal
