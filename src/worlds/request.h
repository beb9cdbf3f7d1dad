// What a user says who wants something of a world: plain English, in many wordings.
#pragma once

#include "base/random.h"
#include "worlds/world.h"

#include <span>
#include <string>

namespace hadal::worlds {

/// Wordings are told apart so that a model can be asked in some that it has never read.
enum class Wordings : std::uint8_t { training, held_out };

/// A request for `goal`, e.g. "Can you get the red pan hot?", "please heat the red pan". One in
/// four is typed carelessly: no capital letter, no mark at the end. Plain text only.
std::string request_text(const World& world, std::span<const Literal> goal, Wordings wordings,
                         RandomStream& random);

}  // namespace hadal::worlds
