#include "protocol/json_text.h"

#include "chat/python_json.h"
#include "chat/utf8_stream.h"

#include <nlohmann/json.hpp>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

void append(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object: {
      char separator = '{';
      for (const auto& [key, element] : value.get_ref<const Json::object_t&>()) {
        out += separator;
        out += '"';
        append_json_escaped(out, key);
        out += "\":";
        append(out, element);
        separator = ',';
      }
      out += value.empty() ? "{}" : "}";
      return;
    }
    case Json::value_t::array: {
      char separator = '[';
      for (const Json& element : value) {
        out += separator;
        append(out, element);
        separator = ',';
      }
      out += value.empty() ? "[]" : "]";
      return;
    }
    case Json::value_t::string:
      out += '"';
      append_json_escaped(out, value.get_ref<const std::string&>());
      out += '"';
      return;
    default:
      out += python_json(value);
  }
}

}  // namespace

std::string json_text(const Json& value) {
  std::string out;
  append(out, value);
  return out;
}

std::string valid_utf8(std::string_view bytes) {
  Utf8Stream stream;
  std::string out = stream.push(bytes);
  return out + stream.flush();
}

bool is_valid_utf8(std::string_view bytes) {
  return valid_utf8(bytes) == bytes;
}

std::size_t count_characters(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return n;
}

}  // namespace hadal
