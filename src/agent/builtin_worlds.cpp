#include "agent/builtin_worlds.h"

namespace hadal {

const BuiltinWorlds& builtin_worlds() {
  static const BuiltinWorlds kWorlds = {.world = {}, .domains = {}, .trained_depth = 3};
  return kWorlds;
}

std::size_t domain_of_seed(const worlds::DomainChoice& choice, std::uint64_t seed) {
  return choice.indices[seed % choice.indices.size()];
}

}  // namespace hadal
