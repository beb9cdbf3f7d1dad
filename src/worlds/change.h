// Changes from outside in mid episode: do(x) while somebody pursues a goal.
#pragma once

#include "worlds/simulator.h"

#include <vector>

namespace hadal::worlds {

/// The literals whose do() makes another problem of this one: laws do not undo them at once, the
/// goal stays unmet and within reach, and other actions are best than before.
std::vector<Literal> fitting_changes(const World& world, const Simulator& simulator);

}  // namespace hadal::worlds
