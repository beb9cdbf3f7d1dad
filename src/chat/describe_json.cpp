#include "chat/describe_json.h"

#include "chat/python_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hadal {

using Json = nlohmann::ordered_json;

std::string describe_json(const Json& json) {
  constexpr std::size_t kShown = 40;
  switch (json.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return fmt::format("an object with {} keys", json.size());
    case Json::value_t::array:
      return fmt::format("a list of {}", json.size());
    case Json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      return text.size() <= kShown ? python_json(json)
                                   : fmt::format("a string of {} bytes", text.size());
    }
    case Json::value_t::boolean:
      return json.get<bool>() ? "true" : "false";
    default: {
      const std::string digits = python_json(json);
      return digits.size() <= kShown ? "the number " + digits
                                     : fmt::format("a number of {} digits", digits.size());
    }
  }
}

}  // namespace hadal
