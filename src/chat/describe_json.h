// JSON values in error messages.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace hadal {

/// What a value is, in words: its type and, where short, the value.
std::string describe_json(const nlohmann::ordered_json& json);

}  // namespace hadal
