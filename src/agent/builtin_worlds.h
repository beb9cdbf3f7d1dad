// The worlds that the built-in model lives in: what `run` and `play` show, and what `eval worlds`
// measures unless told otherwise. models/README.md has its success there.
#pragma once

#include "worlds/options.h"
#include "worlds/world.h"

namespace hadal {

struct BuiltinWorlds {
  worlds::WorldOptions world;
  worlds::DomainChoice domains;
  int trained_depth;  ///< the longest shortest plan of its training text
};

const BuiltinWorlds& builtin_worlds();

/// The domain of the world that `seed` names among `choice`: as `play --seed`.
std::size_t domain_of_seed(const worlds::DomainChoice& choice, std::uint64_t seed);

}  // namespace hadal
