// Which literal of a world a person means.
#pragma once

#include "base/result.h"
#include "worlds/world.h"

#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// "the brown chest is closed", "brown chest closed", "The brown chest is not open?": case, the
/// words the, a, an, is, are, and a mark at the end do not matter.
/// Errors: invalid_argument; the message lists what this world has.
Result<worlds::Literal> read_fact(const worlds::World& world, std::string_view text);

/// The facts of a goal, "red pan hot and the old jar is open". Errors: as read_fact().
Result<std::vector<worlds::Literal>> read_goal(const worlds::World& world, std::string_view text);

/// "  the brown chest is open or closed\n" for each variable of the world.
std::string known_facts(const worlds::World& world);

}  // namespace hadal
