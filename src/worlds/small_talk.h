// Fixed exchanges that teach the built-in model to say what it is, and that it is nothing more.
#pragma once

#include <span>
#include <string_view>

namespace hadal::worlds {

struct SmallTalk {
  std::string_view user;
  std::string_view assistant;  ///< one sentence
};

/// Greetings, what are you, what can you do, thanks, and questions beyond its reach. About 1 % of
/// the training text.
std::span<const SmallTalk> small_talk();

}  // namespace hadal::worlds
